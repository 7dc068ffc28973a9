/** Volume claims over whole lives, and over several lives of one ID: work in them is saved, or stays where it is. On the built-in cluster with its kubelets and node daemons. */
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { status as code } from "@grpc/grpc-js";
import { record } from "../../src/embedded/kubelet/json.ts";
import { wsman } from "../../src/gen/proto.js";
import { embeddedConfig } from "../../src/main/config/embedded.ts";
import { getWorkspaces, type ReadStatus } from "../support/status-stream.ts";
import { until } from "../support/until.ts";
import { inPhase, startWholeCluster } from "../support/whole-cluster.ts";

const { RUNNING, STOPPED } = wsman.WorkspacePhase;
const id = "claimed";

/** A cluster with a daemon, and one ID that is used for workspaces with a claim, one after the other. */
async function setup(t: TestContext, finalizationMs = 600_000) {
  const whole = await startWholeCluster(t);
  const { store } = whole.cluster;
  const { config } = await embeddedConfig();
  const { timeouts, workspaceClasses } = config.manager;
  const classes = workspaceClasses.map((one) => ({ ...one, pvc: { size: "1Gi", snapshotClass: "snaps" } }));
  const { start, stop, stream, client } = await whole.daemon({ manager: { workspaceClasses: classes, timeouts: { ...timeouts, contentFinalization: finalizationMs } } });
  let before = 0;
  const told = async (what: string, condition: (status: ReadStatus) => boolean): Promise<ReadStatus> => {
    await until(`it ${what}`, () => stream.of(id).slice(before).some(condition), 30_000);
    return stream.of(id).slice(before).find(condition) ?? assert.fail();
  };
  return {
    whole, store, told,
    stop: () => stop(id),
    claim: () => store.get("persistentvolumeclaims", "default", `ws-${id}`)?.metadata.uid,
    snapshots: () => store.list("volumesnapshots", "default").map(({ metadata: { name } }) => name).toSorted(),
    /** Once the last life has ended, and the daemon knows it. */
    begin: async (): Promise<void> => {
      await until("nothing is known of an earlier one", async () => (await getWorkspaces(client)).length === 0);
      before = stream.of(id).length;
      await start(id, {}, { featureFlags: ["PERSISTENT_VOLUME_CLAIM"] });
    },
    /** The name that its snapshot gets where its ID is taken. */
    ownName: () => `${id}-${(whole.pod(id)?.metadata.uid ?? "").slice(0, 8)}`,
    /** What a snapshot controller does. */
    becomesReady: (name: string): void => {
      store.create("volumesnapshotcontents", { metadata: { name: `content-${name}` }, spec: {}, status: { snapshotHandle: `handle-${name}` } }, "");
      store.update("volumesnapshots", "default", name, (draft) => void (draft["status"] = { readyToUse: true, boundVolumeSnapshotContentName: `content-${name}` }));
    },
    ended: () => until("nothing is left", () => whole.leftovers().length === 0),
  };
}

test("a workspace with a volume claim ends with a volume snapshot of it", async (t) => {
  const { begin, told, stop, store, snapshots, becomesReady, ended } = await setup(t);
  await begin();
  await told("runs", inPhase(RUNNING));
  await stop();
  await until("the snapshot is asked for", () => snapshots().length === 1);
  assert.deepEqual(record(store.get("volumesnapshots", "default", id)?.["spec"]), { source: { persistentVolumeClaimName: "ws-claimed" }, volumeSnapshotClassName: "snaps" });
  becomesReady(id);
  const last = await told("has stopped", inPhase(STOPPED));
  assert.deepEqual({ ...last.conditions?.volumeSnapshot }, { volumeSnapshotName: id, volumeSnapshotHandle: "handle-claimed" });
  assert.equal(last.conditions?.failed, "");
  await ended();
});

test("the claim of a workspace that is stopped before it was ever ready goes with it", async (t) => {
  const { whole, begin, told, stop, claim, ended } = await setup(t);
  whole.nodes.faults.add({ method: "InitWorkspace", delayMs: 600_000 });
  await begin();
  await until("its content is asked for", () => whole.calls().includes("InitWorkspace claimed"));
  assert.notEqual(claim(), undefined);
  await stop();
  await told("has stopped", inPhase(STOPPED));
  await ended();
});

test("the second life of an ID ends with a volume snapshot of its own: until that is ready its claim stays", async (t) => {
  const { begin, told, stop, store, claim, snapshots, ownName, becomesReady, ended } = await setup(t);
  await begin();
  await told("runs", inPhase(RUNNING));
  await stop();
  await until("the first snapshot is asked for", () => snapshots().length === 1);
  becomesReady(id);
  await ended();
  await begin();
  await told("runs", inPhase(RUNNING));
  const own = ownName();
  await stop();
  await until("a snapshot of its own is asked for", () => snapshots().includes(own));
  assert.deepEqual(record(store.get("volumesnapshots", "default", own)?.["spec"])["source"], { persistentVolumeClaimName: "ws-claimed" });
  assert.notEqual(claim(), undefined);
  becomesReady(own);
  const last = await told("has stopped", inPhase(STOPPED));
  assert.deepEqual({ ...last.conditions?.volumeSnapshot }, { volumeSnapshotName: own, volumeSnapshotHandle: `handle-${own}` });
  assert.equal(last.conditions?.failed, "");
  await ended();
  assert.deepEqual(snapshots(), [id, own]);
});

test("work that could not be saved outlives starts that fail or are stopped before they are ready, until a life that saves it", async (t) => {
  const { whole, begin, told, stop, claim, ownName, snapshots, becomesReady, ended } = await setup(t, 5_000);
  await begin();
  await told("runs", inPhase(RUNNING));
  const kept = claim();
  await stop();
  assert.match((await told("has stopped", inPhase(STOPPED))).conditions?.failed ?? "", /^last backup failed: volume snapshot claimed did not become ready/);
  const cease = whole.nodes.faults.add({ method: "InitWorkspace", code: code.INVALID_ARGUMENT, message: "no such repository" });
  await begin();
  assert.match((await told("has stopped", inPhase(STOPPED))).conditions?.failed ?? "", /^cannot initialize workspace/);
  cease();
  const hang = whole.nodes.faults.add({ method: "InitWorkspace", delayMs: 600_000 });
  const calls = whole.calls().length;
  await begin();
  await until("its content is asked for", () => whole.calls().slice(calls).includes("InitWorkspace claimed"));
  await stop();
  await told("has stopped", inPhase(STOPPED));
  hang();
  assert.equal(claim(), kept);
  await begin();
  await told("runs", inPhase(RUNNING));
  assert.equal(claim(), kept);
  const own = ownName();
  await stop();
  await until("it is saved", () => snapshots().includes(own));
  becomesReady(own);
  assert.equal((await told("has stopped", inPhase(STOPPED))).conditions?.failed, "");
  await ended();
});

test("a claim that may not be deleted does not keep a workspace that failed from ending", async (t) => {
  const { whole, begin, told, claim } = await setup(t);
  whole.cluster.faults.add({ verbs: ["delete"], resources: ["persistentvolumeclaims"], code: 403, reason: "Forbidden", message: "a policy says no" });
  whole.nodes.faults.add({ method: "InitWorkspace", code: code.INVALID_ARGUMENT, message: "no such repository" });
  await begin();
  assert.equal((await told("has stopped", inPhase(STOPPED))).conditions?.failed, "cannot initialize workspace: no such repository");
  await until("its pod is gone", () => whole.pod(id) === undefined);
  assert.notEqual(claim(), undefined);
});
