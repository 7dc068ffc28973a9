/** What the load tool makes on a cluster is taken away again, also where answers were lost. */
import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import { test, type TestContext } from "node:test";
import { Cluster, ownLabel } from "../../../src/bench/load/kube.ts";
import { plainKubeconfig } from "../../support/plain-kubeconfig.ts";

interface Served {
  readonly cluster: Cluster;
  /** Requests but for GETs, as method and path. */
  readonly writes: readonly string[];
}

/** A cluster whose API server answers as it is told; undefined: not at all. */
async function served(t: TestContext, answer: (request: string, run: string) => { readonly code: number; readonly body: object } | undefined): Promise<Served> {
  const writes: string[] = [];
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    const text = `${request.method} ${request.url?.split("?")[0]}`;
    if (request.method !== "GET") writes.push(text);
    request.resume();
    request.on("end", () => {
      const given = answer(text, cluster.run);
      if (given) response.writeHead(given.code, { "content-type": "application/json" }).end(JSON.stringify(given.body));
      else request.socket.destroy();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" && address ? address.port : 0;
  const cluster = await Cluster.fromKubeconfig(await plainKubeconfig(t, `127.0.0.1:${port}`), "bench");
  t.after(async () => {
    await cluster.close();
    server.closeAllConnections();
    server.close();
  });
  return { cluster, writes };
}

const namespacePath = "/api/v1/namespaces/bench";

test("a namespace whose creation was not answered is removed if it is of this run", async (t) => {
  const { cluster, writes } = await served(t, (request, run) => {
    if (request === "POST /api/v1/namespaces") return undefined;
    return { code: 200, body: request === `GET ${namespacePath}` ? { metadata: { labels: { [ownLabel]: run } } } : {} };
  });
  await assert.rejects(cluster.open());
  await cluster.clean();
  assert.deepEqual(writes, ["POST /api/v1/namespaces", `DELETE ${namespacePath}`]);
});

test("an API server that is gone is told by its address, and as what it is", async (t) => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" && address ? address.port : 0;
  await new Promise((resolve) => server.close(resolve));
  const cluster = await Cluster.fromKubeconfig(await plainKubeconfig(t, `127.0.0.1:${port}`), "bench");
  await assert.rejects(cluster.open(), { message: `no answer from the kubeconfig's API server (not the daemon) at http://127.0.0.1:${port}: connect ECONNREFUSED 127.0.0.1:${port}` });
  await cluster.clean();
  await cluster.close();
});

test("a namespace of others stays, whether or not the answer was lost", async (t) => {
  for (const code of [undefined, 409]) {
    const { cluster, writes } = await served(t, (request) => {
      if (request === "POST /api/v1/namespaces") return code === undefined ? undefined : { code, body: {} };
      return { code: 200, body: { metadata: { labels: { [ownLabel]: "another" } } } };
    });
    await cluster.open().catch(() => {});
    await cluster.clean();
    assert.ok(!writes.includes(`DELETE ${namespacePath}`), writes.join());
  }
});

test("workspaces that were started are removed with their finalizers, until there are none", async (t) => {
  let left = ["ws-a", "ws-b"];
  const { cluster, writes } = await served(t, (request) => {
    if (request.startsWith("PATCH")) left = left.filter((name) => !request.endsWith(name));
    if (request === `GET ${namespacePath}/pods`) return { code: 200, body: { metadata: {}, items: left.map((name) => ({ metadata: { name, uid: name } })) } };
    return { code: 200, body: {} };
  });
  await cluster.removeStarted();
  const pods = `${namespacePath}/pods`;
  assert.deepEqual(writes.toSorted(), [`DELETE ${pods}`, `DELETE ${pods}`, `PATCH ${pods}/ws-a`, `PATCH ${pods}/ws-b`]);
});

test("what comes again and again is told, and not removed for ever", async (t) => {
  const { cluster, writes } = await served(t, (request) => ({ code: 200, body: request.startsWith("GET") ? { metadata: {}, items: [{ metadata: { name: "ws-a", uid: "a" } }] } : {} }));
  await assert.rejects(cluster.removeStarted(), /again and again/);
  assert.equal(writes.length, 10);
});

test("a service account whose creation was not answered is removed, by this run's label; one that was there stays", async (t) => {
  const accounts = `${namespacePath}/serviceaccounts`;
  for (const code of [undefined, 201, 409, 403]) {
    const { cluster, writes } = await served(t, (request) => {
      if (request === `POST ${accounts}`) return code === undefined ? undefined : { code, body: {} };
      if (request === "POST /api/v1/namespaces") return { code: 409, body: {} };
      return { code: 200, body: request.startsWith("GET") ? { metadata: {}, items: [] } : {} };
    });
    await cluster.open();
    await (code === undefined ? assert.rejects(cluster.prepareStarts()) : cluster.prepareStarts());
    await cluster.clean();
    assert.equal(writes.includes(`DELETE ${accounts}`), code === undefined || code === 201, `${code}: ${writes.join()}`);
  }
});
