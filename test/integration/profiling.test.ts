/** Profiles of a running daemon, as an operator takes them: off unless configured, of all its threads, while it goes on with its work. Runs on the built-in cluster and on a real API server. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test, type TestContext } from "node:test";
import { asObject, objectAt, objectsAt, stringAt, type JsonObject } from "../../src/domain/json.ts";
import { record, type Json } from "../../src/embedded/kubelet/json.ts";
import { startTestCluster, type TestCluster } from "../support/cluster.ts";
import { DaemonProcess } from "../support/daemon-process.ts";
import { TestClient } from "../support/grpc-client.ts";
import { kubeApi } from "../support/kube-api.ts";
import { Player } from "../support/player.ts";
import { podIn } from "../support/pods.ts";
import { assertNoSecrets, leaksIn } from "../support/secrets.ts";
import { StatusStream } from "../support/status-stream.ts";
import { until } from "../support/until.ts";

let cluster: TestCluster;
before(async () => {
  cluster = await startTestCluster();
});
after(async () => cluster.close());

/** A daemon as a process, on a namespace of its own. */
async function startProcess(t: TestContext, members: Json): Promise<{ readonly daemon: DaemonProcess; readonly player: Player }> {
  const { namespace } = await kubeApi(t, cluster.kubeconfig);
  const player = await Player.fromKubeconfig(cluster.kubeconfig, { namespace });
  await player.ensureNode("node-1");
  const daemon = await DaemonProcess.start({
    kubeconfig: await readFile(cluster.kubeconfig, "utf8"),
    configure: (config) => ({ ...config, ...members, manager: { ...record(config["manager"]), namespace }, wsmand: { ...record(config["wsmand"]), ...record(members["wsmand"]) } }),
  });
  t.after(async () => {
    await daemon.close();
    await player.removeAll();
    await player.close();
  });
  await daemon.synced();
  return { daemon, player };
}

function get({ profilingPort }: DaemonProcess, path: string): Promise<Response> {
  return fetch(`http://127.0.0.1:${profilingPort}/debug/pprof/${path}`, { headers: { connection: "close" }, signal: AbortSignal.timeout(30_000) });
}

async function json(response: Response): Promise<JsonObject> {
  const text = await response.text();
  assert.equal(response.status, 200, text);
  const value: unknown = JSON.parse(text);
  return asObject(value) ?? {};
}

/** Files whose functions a CPU profile names. */
function filesOf(profile: JsonObject): readonly string[] {
  return objectsAt(profile, "nodes").map((node) => stringAt(objectAt(node, "callFrame"), "url") ?? "");
}

test("CPU and heap of main thread and worker are profiled while statuses go on, and show no secret", async (t) => {
  const { daemon, player } = await startProcess(t, { pprof: { addr: "127.0.0.1:0" } });
  const client = new TestClient(daemon.rpcPort);
  t.after(() => client.close());
  const stream = new StatusStream(client.subscribe().read());
  await stream.stream.headers;
  const name = await player.play(podIn("running", "profiled"));
  const enough = new AbortController();
  const changes = (async () => {
    for (let i = 0; !enough.signal.aborted; i++) {
      await player.annotate(name, { "gitpod.io/lastActivity": new Date(1_700_000_000_000 + i * 60_000).toISOString(), "example.com/x": String(i) });
      // New pods are the worker's.
      await player.createPod(podIn("running", "passing"));
      await player.remove("ws-passing");
    }
  })();
  // Should the test fail, it is not about these.
  changes.catch(() => {});
  t.after(() => enough.abort());
  const before = await daemon.metric("wsmand_worker_task_seconds_count");
  const main = await json(await get(daemon, "profile?seconds=1"));
  assert.ok(filesOf(main).some((url) => /\/src\/main\/.*\.ts$/.test(url)), "functions of the daemon are named");
  const worker = await json(await get(daemon, "profile?seconds=1&thread=worker-0"));
  assert.ok(filesOf(worker).some((url) => /\/src\/workers\/.*\.ts$/.test(url)), "functions of the worker are named");
  assert.ok(!filesOf(worker).some((url) => /\/src\/main\/kube\//.test(url)), "it is the worker's, not the main thread's");
  const heaps = [await json(await get(daemon, "heap?seconds=0.5")), await json(await get(daemon, "heap?seconds=0.5&thread=worker-0")), await json(await get(daemon, "allocs?seconds=0.5"))];
  assert.ok(heaps.every((heap) => objectAt(heap, "head")));
  assert.ok((await daemon.metric("wsmand_worker_task_seconds_count")) > before, "the worker went on meanwhile");
  for (const profile of [main, worker, ...heaps]) assertNoSecrets("a profile", [JSON.stringify(profile)]);
  assert.equal((await get(daemon, "snapshot")).status, 403);
  assert.equal(await daemon.metric("wsmand_worker_restarts_total"), 0);
  enough.abort();
  await changes;
});

test("full snapshots hold secrets: they are there only where they were switched on", async (t) => {
  const { daemon, player } = await startProcess(t, { pprof: { addr: "127.0.0.1:0" }, wsmand: { profiling: { heapSnapshots: true } } });
  await player.play(podIn("running", "snapped"));
  await until("it is known", async () => (await daemon.metric("wsmand_status_cache_entries")) === 1);
  const response = await get(daemon, "snapshot");
  assert.equal(response.headers.get("cache-control"), "no-store");
  const text = await response.text();
  const snapshot: unknown = JSON.parse(text);
  assert.ok(objectAt(asObject(snapshot), "snapshot"));
  assert.ok(leaksIn(text).length > 0, "why it is switched off: the API server's token, at least, is in it");
});

test("without pprof.addr nothing listens; with one that others could reach neither, and the daemon says why and runs", async (t) => {
  const { daemon } = await startProcess(t, {});
  assert.ok(Number.isNaN(daemon.profilingPort));
  const other = await startProcess(t, { pprof: { addr: ":0" } });
  assert.ok(Number.isNaN(other.daemon.profilingPort));
  assert.ok(other.daemon.lines.some((line) => line.includes("pprof.addr: no profiles are served on")));
  assert.ok(!daemon.lines.some((line) => line.includes("pprof")));
});

test("a profile is given up when the daemon ends, which does not wait for it", async (t) => {
  const { daemon } = await startProcess(t, { pprof: { addr: "127.0.0.1:0" } });
  const cut = assert.rejects(get(daemon, "profile?seconds=300"));
  await until("it is being taken", () => daemon.logged("a profile is asked for").length > 0);
  const from = performance.now();
  assert.equal(await daemon.close(), 0);
  // Of the 300 s nothing is waited for; a busy machine may take its time over the rest.
  assert.ok(performance.now() - from < 60_000);
  await cut;
});
