/** What the load tool makes on a cluster is taken away again, also where answers were lost. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { Cluster, hiddenMarker, ownLabel } from "../../../src/bench/load/kube.ts";
import { finalizer } from "../../../src/domain/names.ts";
import { startEmbeddedCluster } from "../../../src/embedded/index.ts";
import { record } from "../../../src/embedded/kubelet/json.ts";
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
      return { code: 200, body: { metadata: { labels: { [ownLabel]: "another" } }, items: [] } };
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

test("a pod that can not be let go keeps no other from going, and is told with the reason", async (t) => {
  let left = ["ws-a", "ws-b", "ws-c"];
  const { cluster } = await served(t, (request) => {
    if (request === `PATCH ${namespacePath}/pods/ws-a`) return { code: 403, body: { message: "not yours" } };
    if (request.startsWith("PATCH")) left = left.filter((name) => !request.endsWith(name));
    return { code: 200, body: request.startsWith("GET") ? { metadata: {}, items: left.map((name) => ({ metadata: { name, uid: name } })) } : {} };
  });
  await assert.rejects(cluster.removeStarted(), /finalizers: 403 not yours/);
  assert.deepEqual(left, ["ws-a"]);
});

/** The built-in cluster, two processes of a run that work on it, the names of its pods, and what a daemon that acts does: it holds each pod that runs. */
async function held(t: TestContext): Promise<{ readonly cluster: Cluster; readonly another: Cluster; readonly pods: () => readonly string[]; readonly hold: () => void }> {
  const embedded = await startEmbeddedCluster();
  const folder = await mkdtemp(join(tmpdir(), "wsmand-kube-test-"));
  const kubeconfig = join(folder, "kubeconfig");
  await embedded.writeKubeconfig(kubeconfig);
  const cluster = await Cluster.fromKubeconfig(kubeconfig, "default");
  const another = await Cluster.fromKubeconfig(kubeconfig, "default", cluster.run);
  t.after(async () => {
    await Promise.all([cluster.close(), another.close()]);
    await embedded.close();
    await rm(folder, { recursive: true });
  });
  await cluster.open();
  const pods = () => embedded.store.list("pods", "default").map(({ metadata }) => metadata.name);
  const hold = () => {
    for (const name of pods()) embedded.store.update("pods", "default", name, (draft) => void (draft["metadata"] = { ...record(draft["metadata"]), finalizers: [finalizer] }));
  };
  return { cluster, another, pods, hold };
}

test("workspaces that a daemon holds are removed all the same, those of the run's other processes too, at the end and one by one", async (t) => {
  const { cluster, another, pods, hold } = await held(t);
  const first = await cluster.createWorkspace(1, 0, undefined);
  await another.createWorkspace(2, 0, undefined);
  await cluster.createWorkspace(3, 0, undefined, hiddenMarker);
  hold();
  await cluster.deleteWorkspace(first);
  assert.equal(pods().length, 2);
  await cluster.clean();
  assert.deepEqual(pods(), []);
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

test("a task that fails is the last one that is begun, and those under way are waited for", async (t) => {
  const { cluster } = await served(t, () => ({ code: 200, body: {} }));
  const slow = Promise.withResolvers<void>();
  const begun: number[] = [];
  let over = 0;
  const all = cluster.each(1000, async (i) => {
    begun.push(i);
    if (i === 3) throw new Error("the fourth failed");
    await slow.promise;
    over++;
  }, new AbortController().signal);
  const settled = all.then(() => "done", (error: unknown) => `${over} were over: ${String(error)}`);
  await new Promise((resolve) => setImmediate(resolve));
  const underWay = begun.length - 1;
  slow.resolve();
  assert.equal(await settled, `${underWay} were over: Error: the fourth failed`);
  assert.equal(begun.length, underWay + 1);
});

test("whether there are nodes is known to those who may know", async (t) => {
  let answer: { readonly code: number; readonly body: object } = { code: 200, body: { items: [] } };
  const { cluster } = await served(t, () => answer);
  assert.equal(await cluster.hasNodes(), false);
  answer = { code: 200, body: { items: [{}] } };
  assert.equal(await cluster.hasNodes(), true);
  answer = { code: 403, body: { message: "no" } };
  assert.equal(await cluster.hasNodes(), undefined);
});
