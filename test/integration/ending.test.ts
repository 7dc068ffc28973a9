/** The daemon's end, as probes and dashboards see it. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";
import { test } from "node:test";
import { Client, credentials } from "@grpc/grpc-js";
import { asIs } from "../../src/domain/as-is.ts";
import { record } from "../../src/embedded/kubelet/json.ts";
import { wsman } from "../../src/gen/proto.js";
import { onRealCluster, startTestCluster } from "../support/cluster.ts";
import { DaemonProcess } from "../support/daemon-process.ts";
import { startTestDaemon } from "../support/daemon.ts";
import { TestClient } from "../support/grpc-client.ts";
import { daemonKubeconfig } from "../support/rights.ts";
import { until } from "../support/until.ts";
import { request } from "../unit/render/helpers.ts";

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
  for (const path of ["/livez", "/metrics"]) {
    const answer = await get(path);
    // What is not read keeps the connection, which then does not survive the server.
    await answer.text();
    assert.deepEqual([answer.status, closed], [200, false], path);
  }
  call.cancel();
  await closing;
  await assert.rejects(get("/livez"), "all is over");
});

test("an API server that answers nothing does not make the end take longer than drainTimeout, of whoever leads too", { skip: onRealCluster && "only the built-in cluster fails on demand" }, async (t) => {
  const cluster = await startTestCluster();
  t.after(() => cluster.close());
  const drainTimeoutMs = 3_000;
  const daemon = await startTestDaemon(cluster.kubeconfig, {
    drainTimeoutMs, lifecycle: true,
    leaderElection: { enabled: true, leaseDurationMs: 60_000, renewDeadlineMs: 40_000, retryPeriodMs: 2_000, identity: "one" },
  });
  const client = new TestClient(daemon.rpcPort);
  t.after(() => client.close());
  await daemon.synced;
  await until("it leads", async () => /^wsmand_leader 1$/m.test(await (await fetch(`http://127.0.0.1:${daemon.metricsPort}/metrics`)).text()));
  cluster.faults?.add({ delayMs: 600_000 });
  // One that waits for the API server for longer than there is time.
  const starting = client.wsman("StartWorkspace", wsman.StartWorkspaceRequest.encode(request({ id: "one" })).finish()).catch(() => {});
  await until("the call is under way", async () => /^grpc_server_started_total\{.*StartWorkspace.*\} 1$/m.test(await (await fetch(`http://127.0.0.1:${daemon.metricsPort}/metrics`)).text()));
  const from = performance.now();
  await daemon.close();
  const took = performance.now() - from;
  // Far less than the API server's answers would take, and the Lease; how much more than drainTimeout it is depends on the machine.
  assert.ok(took < 30_000, `it took ${Math.round(took)} ms`);
  await starting;
});

test("a second SIGTERM ends the process at once, whatever it waits for", async (t) => {
  const cluster = await startTestCluster();
  t.after(() => cluster.close());
  const daemon = await DaemonProcess.start({ kubeconfig: await readFile(await daemonKubeconfig(cluster.kubeconfig, "default"), "utf8"), configure: (config) => ({ ...config, wsmand: { ...record(config["wsmand"]), drainTimeout: "60s" } }) });
  t.after(() => daemon.close());
  await daemon.synced();
  const client = new Client(`127.0.0.1:${daemon.rpcPort}`, credentials.createInsecure());
  t.after(() => client.close());
  const call = client.makeClientStreamRequest("/wsman.WorkspaceManager/DescribeCluster", asIs, asIs, () => {});
  call.on("error", () => {});
  await until("the call is open", async () => (await daemon.metric("grpc_server_started_total", { grpc_method: "DescribeCluster" })) === 1);
  process.kill(daemon.pid, "SIGTERM");
  await until("it is ending", () => daemon.logged("stopping").length > 0);
  // What follows sooner is taken for the same signal, passed on by a parent.
  await pause(700);
  assert.equal(daemon.ended, false);
  process.kill(daemon.pid, "SIGTERM");
  // Long before what it waits for, drainTimeout, is over.
  await until("the process is gone", () => daemon.ended, 30_000);
  assert.equal(await daemon.close(), 143);
});
