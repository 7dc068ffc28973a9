/** Fault tests on another one's API server: what they made there is taken away also when they are left off, and what can not be is told. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { kubeconfigOf } from "../../../src/embedded/apiserver/kubeconfig.ts";
import { Belongings } from "../../support/chaos/belongings.ts";
import { Lab } from "../../support/chaos/lab.ts";
import { openPlace } from "../../support/chaos/place.ts";
import { childrenOf } from "../../support/processes.ts";
import { until } from "../../support/until.ts";

/** An API server of a few lines. Gives its kubeconfig file. @param codeOf of an answer to "POST /path". */
async function apiServer(t: TestContext, codeOf: (request: string) => number): Promise<string> {
  const pods = { items: ["a", "b", "c"].map((name) => ({ metadata: { name, uid: name, resourceVersion: "1", creationTimestamp: "2026-01-01T00:00:00Z" } })) };
  const server = createServer(({ method, url = "" }, response) => {
    const code = codeOf(`${method} ${url}`);
    response.writeHead(code, { "content-type": "application/json" });
    response.end(JSON.stringify(code === 200 && method === "GET" && url.endsWith("/pods") ? pods : { items: [], message: "not today" }));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const folder = await mkdtemp(join(tmpdir(), "wsmand-test-"));
  t.after(async () => {
    server.closeAllConnections();
    server.close();
    await rm(folder, { recursive: true });
  });
  const address = server.address();
  const url = `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`;
  await writeFile(join(folder, "kubeconfig"), kubeconfigOf({ url, namespace: "default" }));
  return join(folder, "kubeconfig");
}

/** Leaves off while the second of three nodes is made. Gives all requests, without the namespace's random name, and what stays. */
async function leaveOff(t: TestContext, failing: RegExp): Promise<{ readonly requests: readonly string[]; readonly stays: string }> {
  const stop = new AbortController();
  const requests: string[] = [];
  const kubeconfig = await apiServer(t, (request) => {
    requests.push(request.replace(/chaos-[0-9a-f]+/, "chaos-X"));
    if (request === "PATCH /api/v1/nodes/node-2") stop.abort();
    return failing.test(request) ? 500 : 200;
  });
  const belongings = new Belongings();
  await assert.rejects(openPlace({ seed: 1, nodes: 3, speed: 1, kubeconfig, belongings, signal: stop.signal }), { name: "AbortError" });
  return { requests, stays: belongings.words().replaceAll(/chaos-[0-9a-f]+/g, "chaos-X") };
}

const named = (requests: readonly string[], method: string): readonly string[] => requests.filter((request) => request.startsWith(`${method} `)).toSorted();

test("a place that is left off while it is opened takes away what it has made, and no more", async (t) => {
  const { requests, stays } = await leaveOff(t, /nothing/);
  assert.equal(stays, "");
  assert.deepEqual(named(requests, "POST"), ["POST /api/v1/namespaces", "POST /api/v1/nodes", "POST /api/v1/nodes"]);
  const namespace = "/api/v1/namespaces/chaos-X";
  assert.deepEqual(named(requests, "DELETE"), [namespace, `${namespace}/pods/a`, `${namespace}/pods/b`, `${namespace}/pods/c`, "/api/v1/nodes/node-1", "/api/v1/nodes/node-2"].map((path) => `DELETE ${path}`));
});

test("what can not be taken away is told, with the first reason, and keeps nothing else", async (t) => {
  const { requests, stays } = await leaveOff(t, /DELETE .*(?:\/nodes\/node-1|\/pods\/[ab])$/);
  assert.equal(stays, "2 pods in the namespace chaos-X, the node node-1 (DELETE /api/v1/nodes/node-1: 500 not today)");
  assert.ok(requests.includes("DELETE /api/v1/nodes/node-2"));
});

test("pods that can not even be counted are told", async (t) => {
  const { stays } = await leaveOff(t, /GET .*pods$/);
  assert.equal(stays, "pods, if there are any, in the namespace chaos-X (GET /api/v1/namespaces/chaos-X/pods: 500 not today)");
});

test("a lab that is abandoned ends daemons that are just starting, and starts none any more", async () => {
  const lab = await Lab.open({ seed: 1, nodes: 1 });
  const rejected = assert.rejects(lab.addReplica(), /the daemon ended/);
  await until("a daemon starts", async () => (await childrenOf(process.pid)).length > 0);
  await lab.abandon();
  await rejected;
  assert.deepEqual(await childrenOf(process.pid), []);
  await assert.rejects(lab.addReplica(), { name: "AbortError" });
  await lab.close();
});
