/** What people see of a running daemon at its metrics address: how it is now, and nobody's name. Runs on the built-in cluster and on a real API server. */
import assert from "node:assert/strict";
import { after, before, test, type TestContext } from "node:test";
import { asObject, objectAt, objectsAt, stringAt, type JsonObject } from "../../src/domain/json.ts";
import type { Daemon, DaemonOptions } from "../../src/main/daemon.ts";
import { version } from "../../src/main/version.ts";
import { slowFrom } from "../../src/metrics/slow-operations.ts";
import { startTestCluster, type TestCluster } from "../support/cluster.ts";
import { startTestDaemon } from "../support/daemon.ts";
import { TestClient } from "../support/grpc-client.ts";
import { kubeApi } from "../support/kube-api.ts";
import { Player } from "../support/player.ts";
import { podIn } from "../support/pods.ts";
import { assertNoSecrets } from "../support/secrets.ts";
import { until } from "../support/until.ts";

let cluster: TestCluster;
before(async () => {
  cluster = await startTestCluster();
});
after(async () => cluster.close());

async function read({ metricsPort }: Daemon, path: string): Promise<Response> {
  return fetch(`http://127.0.0.1:${metricsPort}${path}`, { headers: { connection: "close" }, signal: AbortSignal.timeout(10_000) });
}

async function overview(daemon: Daemon): Promise<JsonObject> {
  const response = await read(daemon, "/status.json");
  assert.equal(response.status, 200);
  const text = await response.text();
  assertNoSecrets("/status.json", [text]);
  const value: unknown = JSON.parse(text);
  return asObject(value) ?? {};
}

/** Names and numbers of a list of counts. */
function counts(parent: JsonObject | undefined, key: string): Readonly<Record<string, unknown>> {
  return Object.fromEntries<unknown>(objectsAt(parent, key).map((one) => [stringAt(one, "name") ?? "", one["count"]] as const));
}

/** A daemon on a namespace of its own, and who plays the pods there. */
async function setup(t: TestContext): Promise<{ readonly daemon: Daemon; readonly player: Player; readonly client: TestClient; readonly namespace: string }> {
  const { namespace } = await kubeApi(t, cluster.kubeconfig);
  const player = await Player.fromKubeconfig(cluster.kubeconfig, { namespace });
  await player.ensureNode("node-1");
  const daemon = await startTestDaemon(cluster.kubeconfig, { namespace });
  const client = new TestClient(daemon.rpcPort);
  t.after(async () => {
    client.close();
    await daemon.close();
    await player.removeAll();
    await player.close();
  });
  await daemon.synced;
  return { daemon, player, client, namespace };
}

test("the page and its JSON tell of the workspaces, the subscribers and the watches as they are now", async (t) => {
  const { daemon, player, client, namespace } = await setup(t);
  const streams = [client.subscribe().read(), client.subscribe().read()];
  await Promise.all(streams.map(({ headers }) => headers));
  for (const [i, phase] of (["running", "running", "creating", "unscheduled"] as const).entries()) await player.play(podIn(phase, `seen-${i}`, { owner: "somebody-with-a-name" }));
  let told: JsonObject = {};
  await until("all workspaces are told of, and the worker's heap, though it waits for work", async () => {
    told = await overview(daemon);
    const heaps = objectAt(told, "memory")?.["workerHeaps"];
    // A worker that does not answer in time is left out of that look.
    return objectAt(told, "workspaces")?.["total"] === 4 && Array.isArray(heaps) && heaps.length === 1;
  });
  assert.deepEqual(counts(objectAt(told, "workspaces"), "phases"), { PENDING: 1, CREATING: 1, RUNNING: 2 });
  assert.deepEqual(counts(objectAt(told, "workspaces"), "types"), { REGULAR: 4 });
  assert.deepEqual([told["namespace"], told["version"], told["role"], told["problems"]], [namespace, version(), "bystander", []]);
  const subscribers = objectAt(told, "subscribers");
  assert.deepEqual([subscribers?.["total"], objectsAt(subscribers, "longest").length], [2, 2]);
  const watches = objectsAt(told, "watches").map((watch) => stringAt(watch, "name"));
  for (const name of ["pods", "pods/ws-daemon", "events/FailedMount"]) assert.ok(watches.includes(name), name);
  assert.ok(Number(objectAt(told, "memory")?.["resident"]) > 2 ** 20);

  const response = await read(daemon, "/");
  const page = await response.text();
  assert.match(response.headers.get("content-type") ?? "", /^text\/html/);
  assert.match(response.headers.get("content-security-policy") ?? "", /^default-src 'none'/);
  assert.equal(response.headers.get("cache-control"), "no-store");
  assert.match(page, /<th scope="row">RUNNING<\/th>[^]*?<td class="number">2<\/td>/);
  for (const text of [page, JSON.stringify(told)]) {
    assertNoSecrets("the page", [text]);
    assert.ok(!text.includes("somebody-with-a-name"), "no owner is named");
  }
  assert.match(page, /href="\/metrics"/);
  assert.equal((await read(daemon, "/status/x")).status, 404);
});

test("what was slow lately is told with its kind", async (t) => {
  const { daemon, player } = await setup(t);
  const from = performance.now();
  const name = await player.play(podIn("unscheduled", "slow"));
  await player.creating(name);
  await player.initializing(name);
  await until("it has taken as long as is worth a look", () => performance.now() - from > slowFrom.start * 1000 + 50);
  await player.running(name);
  const slowest = async (): Promise<readonly JsonObject[]> => objectsAt(await overview(daemon), "slow");
  await until("its start is told", async () => (await slowest()).some(({ kind, workspace }) => kind === "start" && workspace === "slow"));
});

test("each replica says whether it leads, and who does", async (t) => {
  const { namespace } = await kubeApi(t, cluster.kubeconfig);
  const start = (identity: string): Promise<Daemon> => {
    const leaderElection: DaemonOptions["leaderElection"] = { enabled: true, leaseDurationMs: 15_000, renewDeadlineMs: 10_000, retryPeriodMs: 2_000, identity };
    return startTestDaemon(cluster.kubeconfig, { namespace, lifecycle: true, leaderElection });
  };
  const daemons = [await start("one"), await start("two")] as const;
  t.after(async () => Promise.all(daemons.map((daemon) => daemon.close())));
  const roles = async (): Promise<readonly unknown[]> => (await Promise.all(daemons.map(overview))).map(({ role }) => role);
  await until("one leads and the other follows", async () => (await roles()).map(String).toSorted().join() === "follower,leader");
  const leader = (await roles())[0] === "leader" ? "one" : "two";
  await until("both know the holder", async () => (await Promise.all(daemons.map(overview))).every(({ leaseHolder }) => leaseHolder === leader));
});
