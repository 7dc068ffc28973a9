/** The daemon's end, as probes and dashboards see it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Client, credentials } from "@grpc/grpc-js";
import { asIs } from "../../src/domain/as-is.ts";
import { startTestCluster } from "../support/cluster.ts";
import { startTestDaemon } from "../support/daemon.ts";
import { until } from "../support/until.ts";


test("while open calls are drained, metrics and health are served, and the daemon is alive but not ready", async (t) => {
  const cluster = await startTestCluster();
  t.after(() => cluster.close());
  const daemon = await startTestDaemon(cluster.kubeconfig, { drainTimeoutMs: 20_000 });
  const client = new Client(`127.0.0.1:${daemon.rpcPort}`, credentials.createInsecure());
  t.after(() => client.close());
  await daemon.synced;
  const get = (path: string): Promise<Response> => fetch(`http://127.0.0.1:${daemon.metricsPort}${path}`, { headers: { connection: "close" }, signal: AbortSignal.timeout(10_000) });
  assert.equal((await get("/readyz")).status, 200);
  // A call whose request never comes is open until it is cancelled.
  const call = client.makeClientStreamRequest("/wsman.WorkspaceManager/DescribeCluster", asIs, asIs, () => {});
  call.on("error", () => {});
  await until("the call is open", async () => /^grpc_server_started_total\{.*DescribeCluster.*\} 1$/m.test(await (await get("/metrics")).text()));
  let closed = false;
  const closing = daemon.close().then(() => {
    closed = true;
  });
  await until("it is not ready", async () => (await get("/readyz")).status === 503);
  assert.equal(closed, false);
  assert.match(await (await get("/readyz")).text(), /\[-\]serving failed: the daemon is ending/);
  for (const path of ["/livez", "/metrics"]) assert.deepEqual([(await get(path)).status, closed], [200, false], path);
  call.cancel();
  await closing;
  await assert.rejects(get("/livez"), "all is over");
});
