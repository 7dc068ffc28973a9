/** Volume snapshots of claims, before a Kubernetes API: one watch tells of all, and a cluster without the kind is told of once. Runs on the built-in cluster and on a real API server. */
import assert from "node:assert/strict";
import { after, before, test, type TestContext } from "node:test";
import { systemClock } from "../../src/domain/clock.ts";
import { silentLog } from "../../src/domain/log.ts";
import { Budget } from "../../src/main/kube/budget.ts";
import { KubeClient } from "../../src/main/kube/client.ts";
import { Credentials } from "../../src/main/kube/credentials.ts";
import { KubeObjects, type Wish } from "../../src/main/kube/objects.ts";
import { Reflector } from "../../src/main/kube/reflector.ts";
import { SnapshotWatch } from "../../src/main/lifecycle/snapshot-watch.ts";
import { snapshotsPath } from "../../src/main/lifecycle/snapshots.ts";
import { VolumeSnapshots } from "../../src/main/lifecycle/volume-snapshots.ts";
import { onRealCluster, startTestCluster, type TestCluster, unlessReal } from "../support/cluster.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { kubeApi, patches, type KubeApi } from "../support/kube-api.ts";
import { daemonKubeconfig } from "../support/rights.ts";
import { defineSnapshotKinds } from "../support/snapshot-kinds.ts";
import { until } from "../support/until.ts";
import { RecordingLog } from "../unit/kube/helpers.ts";

const group = "snapshot.storage.k8s.io";
let cluster: TestCluster;
before(async () => {
  cluster = await startTestCluster();
});
after(async () => cluster.close());

async function setup(t: TestContext) {
  const api = await kubeApi(t, cluster.kubeconfig);
  const requests: string[] = [];
  const client = new KubeClient({
    credentials: new Credentials({ kind: "kubeconfig", files: [await daemonKubeconfig(cluster.kubeconfig, api.namespace)] }, systemClock, silentLog), clock: systemClock,
    hooks: { onRequest: ({ verb, resource }) => requests.push(`${verb} ${resource}`) },
  });
  const [log, ending] = [new RecordingLog(), new AbortController()];
  const clock = new FakeClock();
  const common = { random: Math.random, log };
  const watch = new SnapshotWatch({ clock, reflect: (sink, signal) => new Reflector({ ...common, clock: systemClock, client, path: snapshotsPath(api.namespace), sink }).run(signal) });
  t.after(async () => {
    ending.abort();
    await watch.close();
    await client.close();
  });
  const objects = new KubeObjects({ client, budget: new Budget({ qps: 1_000, burst: 1_000, clock: systemClock }), namespace: api.namespace, clock: systemClock, random: Math.random });
  const snapshots = new VolumeSnapshots({ manager: { namespace: api.namespace, workspaceClasses: [{ id: "default", container: { requests: {}, limits: {} }, templates: {}, pvc: {} }] }, objects, watch, clock, ...common });
  const [wish, last]: readonly Wish[] = [{ priority: "finalization", signal: ending.signal }, { priority: "finalization", signal: new AbortController().signal }];
  const take = (id: string, uid = "5ad3e1c0-0b8e") => snapshots.take({ id, claim: `claim-${id}`, className: "default", uid, createdAt: 0 }, wish ?? assert.fail(), last ?? assert.fail());
  return { api, clock, ending, log, requests, take, watch };
}

/** What a snapshot controller does. */
async function becomesReady(api: KubeApi, name: string): Promise<void> {
  const content = { apiVersion: `${group}/v1`, kind: "VolumeSnapshotContent", metadata: { name: `${api.namespace}-${name}` }, spec: { deletionPolicy: "Delete", driver: "d", source: { volumeHandle: "v" }, volumeSnapshotRef: { name, namespace: api.namespace } } };
  await api.ok("POST", `/apis/${group}/v1/volumesnapshotcontents`, content);
  await api.ok("PATCH", `/apis/${group}/v1/volumesnapshotcontents/${api.namespace}-${name}/status`, { status: { snapshotHandle: `handle-${name}` } }, { contentType: patches.merge });
  await api.ok("PATCH", `${api.path("volumesnapshots", name)}/status`, { status: { readyToUse: true, boundVolumeSnapshotContentName: `${api.namespace}-${name}` } }, { contentType: patches.merge });
}

test("in a cluster without the kind a snapshot fails at once, and the log says so once", { skip: unlessReal }, async (t) => {
  const { log, take, watch } = await setup(t);
  for (const name of ["a", "b"]) await assert.rejects(take(name), /the cluster has no volume snapshots/);
  assert.deepEqual([log.entries.length, watch.active], [1, false]);
});

test("of 200 snapshots those are taken that become ready, whenever they do, and the others cost no request until the end", async (t) => {
  const { api, clock, ending, requests, take } = await setup(t);
  if (onRealCluster) await defineSnapshotKinds(api, "volumesnapshots", "volumesnapshotcontents");
  const names = Array.from({ length: 200 }, (_, i) => `s${i}`);
  const taken = new Map<string, string>();
  const failed: string[] = [];
  const taking = names.map((name) => take(name).then(({ handle }) => taken.set(name, handle), (error: unknown) => failed.push(String(error))));
  await until("all are asked for, and watched", () => requests.filter((each) => each === "create volumesnapshots").length === names.length && requests.includes("watch volumesnapshots") && requests.filter((each) => each === "get volumesnapshots").length === names.length);
  for (const name of names.slice(0, 20)) await becomesReady(api, name);
  await until("those are taken", () => taken.size === 20);
  assert.equal(taken.get("s7"), "handle-s7");
  const before = requests.length;
  clock.advance(3_600_000);
  // Whatever an hour brings the others to ask for comes before what this one asks for.
  await becomesReady(api, "s20");
  await until("that one is taken as well", () => taken.size === 21);
  assert.deepEqual(requests.slice(before), ["get volumesnapshots", "get volumesnapshotcontents"]);
  ending.abort();
  await Promise.all(taking);
  assert.equal(failed.length, 179);
  const count = (what: string): number => requests.filter((each) => each === `${what} volumesnapshots`).length;
  assert.deepEqual([count("watch"), count("get"), count("list") <= 4], [1, 400, true], "one watch, one list of four pages, a look at the beginning and one at the end");
});

test("the second life of an ID gets a snapshot of its own, and a leader that comes later finds that one", async (t) => {
  const { api, take } = await setup(t);
  if (onRealCluster) await defineSnapshotKinds(api, "volumesnapshots", "volumesnapshotcontents");
  const [first, second] = ["11111111-aaaa", "22222222-bbbb"] as const;
  const taking = take("again", first);
  await until("it is asked for", async () => (await api.send("GET", api.path("volumesnapshots", "again"))).code === 200);
  await becomesReady(api, "again");
  assert.deepEqual(await taking, { name: "again", handle: "handle-again" });
  assert.deepEqual(await take("again", first), { name: "again", handle: "handle-again" });
  const [one, other] = [take("again", second), take("again", second)];
  await until("one of its own is asked for", async () => (await api.send("GET", api.path("volumesnapshots", "again-22222222"))).code === 200);
  await becomesReady(api, "again-22222222");
  for (const each of [one, other]) assert.deepEqual(await each, { name: "again-22222222", handle: "handle-again-22222222" });
});
