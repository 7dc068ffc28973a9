/** Whole lives of workspaces, from StartWorkspace to STOPPED, on the built-in cluster with its kubelets and node daemons. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { status as code } from "@grpc/grpc-js";
import { faultAnnotation } from "../../src/embedded/kubelet/index.ts";
import { record, text } from "../../src/embedded/kubelet/json.ts";
import { wsman } from "../../src/gen/proto.js";
import { embeddedConfig } from "../../src/main/config/embedded.ts";
import { inPhase, startWholeCluster } from "../support/whole-cluster.ts";
import { until } from "../support/until.ts";

const { RUNNING, STOPPED } = wsman.WorkspacePhase;

test("a workspace is brought up, used, backed up and taken down, and nothing is left of it", async (t) => {
  const whole = await startWholeCluster(t);
  const { start, stop, told, phases } = await whole.daemon();
  const { requests } = whole.cluster;
  const before = [requests.total({ verb: "patch", resource: "pods", subresource: "" }), requests.total({ verb: "get", resource: "pods" })];
  await start("one");
  await told("one", "runs", inPhase(RUNNING));
  await stop("one");
  const last = await told("one", "has stopped", inPhase(STOPPED));
  assert.deepEqual(phases("one"), ["PENDING", "CREATING", "INITIALIZING", "RUNNING", "STOPPING", "STOPPED"]);
  assert.equal(last.conditions?.failed, "");
  assert.equal(last.conditions?.finalBackupComplete, wsman.WorkspaceConditionBool.TRUE);
  await until("nothing is left", () => whole.leftovers().length === 0);
  // On a busy machine the wait may be the first to come, and find that there is nothing to be waited for yet.
  const calls = whole.calls().filter((call, i, all) => call !== "WaitForInit one" || all.indexOf("InitWorkspace one") < i);
  assert.deepEqual(calls, ["InitWorkspace one", "WaitForInit one", "DisposeWorkspace one"]);
  // As docs/architecture.md lists them, and the one of StopWorkspace.
  assert.deepEqual([requests.total({ verb: "patch", resource: "pods", subresource: "" }), requests.total({ verb: "get", resource: "pods" })].map((count, i) => count - (before[i] ?? 0)), [6, 0]);
  assert.equal(requests.total({ verb: "delete", resource: "pods" }), 1);
});

test("a prebuild's snapshot is noted, and its logs are kept", async (t) => {
  const whole = await startWholeCluster(t);
  const { start, stop, told } = await whole.daemon();
  await start("pre", { type: "PREBUILD" });
  await told("pre", "runs", inPhase(RUNNING));
  await stop("pre");
  const last = await told("pre", "has stopped", inPhase(STOPPED));
  assert.match(last.conditions?.snapshot ?? "", /snapshot/);
  assert.equal(last.conditions?.failed, "");
  await until("nothing is left", () => whole.leftovers().length === 0);
  assert.deepEqual(whole.calls(), ["InitWorkspace pre", "WaitForInit pre", "TakeSnapshot pre", "DisposeWorkspace pre"]);
});

test("what the node daemon refuses to initialize fails, and ends without a backup", async (t) => {
  const whole = await startWholeCluster(t);
  whole.nodes.faults.add({ method: "InitWorkspace", workspace: "bad", code: code.INVALID_ARGUMENT, message: "no such repository" });
  const { start, told, phases } = await whole.daemon();
  await start("bad");
  const last = await told("bad", "has stopped", inPhase(STOPPED));
  assert.equal(last.conditions?.failed, "cannot initialize workspace: no such repository");
  assert.equal(phases("bad").at(-2), "STOPPING");
  await until("nothing is left", () => whole.leftovers().length === 0);
  assert.ok(!whole.calls().some((call) => call.startsWith("DisposeWorkspace")));
});

test("a backup that fails is told, and one whose node daemon is away for a moment is made", async (t) => {
  const whole = await startWholeCluster(t);
  const { start, stop, told } = await whole.daemon();
  for (const id of ["lost", "late"]) await start(id);
  for (const id of ["lost", "late"]) await told(id, "runs", inPhase(RUNNING));
  whole.nodes.faults.add({ method: "DisposeWorkspace", workspace: "lost", code: code.DATA_LOSS, message: "disk full" });
  whole.nodes.faults.add({ method: "DisposeWorkspace", workspace: "late", code: code.UNAVAILABLE, message: "not yet", times: 1 });
  for (const id of ["lost", "late"]) await stop(id);
  const lost = await told("lost", "has stopped", inPhase(STOPPED));
  assert.equal(lost.conditions?.failed, "last backup failed: disk full.");
  const late = await told("late", "has stopped", inPhase(STOPPED));
  assert.equal(late.conditions?.failed, "");
  await until("nothing is left", () => whole.leftovers().length === 0);
});

test("pods that nodes refuse are made anew, and nobody is told of anything but a workspace that waits; on another daemon neither", async (t) => {
  const whole = await startWholeCluster(t);
  let refusals = 3;
  t.after(whole.cluster.store.subscribe("pods", (type, { metadata: { name } }) => {
    if (type !== "ADDED" || name !== "ws-moving" || refusals-- <= 0) return;
    whole.cluster.store.update("pods", "default", name, (draft) => {
      const metadata = record(draft["metadata"]);
      draft["metadata"] = { ...metadata, annotations: { ...record(metadata["annotations"]), [faultAnnotation]: "admission-reject:OutOfcpu" } };
    });
  }));
  const follower = await whole.daemon({ options: { lifecycle: false } });
  const { start, told, phases } = await whole.daemon();
  // It stays on the pod that is made anew: as a rule of the scheduler would.
  const clean = whole.cluster.store.subscribe("pods", (type, pod) => {
    if (type !== "ADDED" || pod.metadata.name !== "ws-moving" || refusals >= 0) return;
    whole.cluster.store.update("pods", "default", "ws-moving", (draft) => {
      const metadata = record(draft["metadata"]);
      const { [faultAnnotation]: _, ...annotations } = record(metadata["annotations"]);
      draft["metadata"] = { ...metadata, annotations };
    });
  });
  t.after(clean);
  await start("moving");
  const first = whole.pod("moving")?.metadata;
  await told("moving", "runs", inPhase(RUNNING));
  await follower.told("moving", "runs", inPhase(RUNNING));
  const expected = ["PENDING", "CREATING", "INITIALIZING", "RUNNING"];
  assert.deepEqual(phases("moving"), expected);
  assert.deepEqual(follower.phases("moving"), expected);
  const now = whole.pod("moving")?.metadata;
  assert.notEqual(now?.uid, first?.uid);
  assert.equal(now?.annotations?.["gitpod.io/firstCreated"], first?.creationTimestamp);
  assert.equal(now?.annotations?.["gitpod/ownerToken"], first?.annotations?.["gitpod/ownerToken"]);
  // Whose answer was lost asks again, and is answered as before.
  await start("moving");
});

test("a node daemon that hangs delays nobody on other nodes, and its workspaces end in time, with the truth", async (t) => {
  const whole = await startWholeCluster(t);
  const { config } = await embeddedConfig();
  const manager = { timeouts: { ...config.manager.timeouts, contentFinalization: 6_000 } };
  const { start, stop, told } = await whole.daemon({ manager });
  const ids = Array.from({ length: 12 }, (_, i) => `ws${i}`);
  for (const id of ids) await start(id);
  for (const id of ids) await told(id, "runs", inPhase(RUNNING));
  const nodeOf = (id: string): string => text(record(whole.pod(id)?.["spec"])["nodeName"]);
  const hanging = nodeOf("ws0");
  const stuck = ids.filter((id) => nodeOf(id) === hanging);
  const free = ids.filter((id) => nodeOf(id) !== hanging);
  assert.ok(free.length > 0);
  for (const id of stuck) whole.nodes.faults.add({ workspace: id, method: "DisposeWorkspace", delayMs: 600_000 });
  for (const id of ids) await stop(id);
  for (const id of free) assert.equal((await told(id, "has stopped", inPhase(STOPPED))).conditions?.failed, "");
  for (const id of stuck) {
    const { conditions } = await told(id, "has stopped", inPhase(STOPPED));
    assert.match(conditions?.failed ?? "", /^last backup failed: .*(was not done before the time was over|timed out after backup)/);
  }
  await until("nothing is left", () => whole.leftovers().length === 0);
});

test("what was done to workspaces, and why, stands in Events on their pods; also that a backup was given up with its node", async (t) => {
  const whole = await startWholeCluster(t);
  const { config } = await embeddedConfig();
  const manager = { timeouts: { ...config.manager.timeouts, contentFinalization: 2_000, afterClose: 300 } };
  const { start, stop, call, told } = await whole.daemon({ manager, options: { events: { enabled: true, instance: "test" } } });
  const reasons = (id: string): readonly string[] => whole.cluster.store.list("events", "default").filter((event) => record(event["involvedObject"])["name"] === `ws-${id}` && record(event["source"])["component"] === "ws-manager").map((event) => text(event["reason"]));
  const has = (id: string, ...expected: readonly string[]): Promise<void> => until(`Events of ${id}: ${expected.join()}, not ${reasons(id).join()}`, () => expected.every((reason) => reasons(id).includes(reason)));
  for (const id of ["closed", "broken", "gone"]) await start(id);
  for (const id of ["closed", "broken", "gone"]) await told(id, "runs", inPhase(RUNNING));
  await call("MarkActive", wsman.MarkActiveRequest.encode({ id: "closed", closed: true }).finish());
  whole.nodes.faults.add({ method: "DisposeWorkspace", workspace: "broken", code: code.DATA_LOSS, message: "disk full" });
  await stop("broken");
  for (const id of ["closed", "broken"]) await told(id, "has stopped", inPhase(STOPPED));
  await has("closed", "Ready", "TimedOut", "BackedUp");
  await has("broken", "Ready", "BackupFailed");
  whole.cluster.kubelet?.loseNode(text(record(whole.pod("gone")?.["spec"])["nodeName"]));
  await call("StopWorkspace", wsman.StopWorkspaceRequest.encode({ id: "gone", policy: wsman.StopWorkspacePolicy.IMMEDIATELY }).finish());
  await told("gone", "has stopped", inPhase(STOPPED));
  await has("gone", "Ready", "TimedOut", "BackupFailed");
  assert.ok(!reasons("broken").includes("BackedUp"));
});

test("a deletion that conflicts is not taken for done: the workspace ends", async (t) => {
  const whole = await startWholeCluster(t);
  const { start, stop, told } = await whole.daemon();
  await start("one");
  await told("one", "runs", inPhase(RUNNING));
  const remove = whole.cluster.faults.add({ verbs: ["delete"], resources: ["pods"], code: 409, reason: "Conflict", message: "not now" });
  await stop("one");
  // More often than the pod changes meanwhile.
  await until("it was tried again and again", () => whole.cluster.requests.total({ verb: "delete", resource: "pods" }) >= 5);
  remove();
  assert.equal((await told("one", "has stopped", inPhase(STOPPED))).conditions?.failed, "");
  await until("nothing is left", () => whole.leftovers().length === 0);
});

test("another daemon takes over in the middle of a backup, which is made once", async (t) => {
  const whole = await startWholeCluster(t);
  const first = await whole.daemon();
  await first.start("one");
  await first.told("one", "runs", inPhase(RUNNING));
  whole.nodes.faults.add({ method: "DisposeWorkspace", delayMs: 1_500 });
  await first.stop("one");
  await until("the backup has begun", () => whole.calls().includes("DisposeWorkspace one"));
  await first.close();
  const second = await whole.daemon();
  const last = await second.told("one", "has stopped", inPhase(STOPPED));
  assert.equal(last.conditions?.failed, "");
  await until("nothing is left", () => whole.leftovers().length === 0);
  assert.equal(whole.nodes.storage.urls().filter((url) => url.includes("backup")).length, 1);
});

test("workspaces time out: idle ones, closed ones and those that take too long; active ones do not", async (t) => {
  const whole = await startWholeCluster(t);
  const { config } = await embeddedConfig();
  const manager = { timeouts: { ...config.manager.timeouts, regularWorkspace: 3_000, afterClose: 500 } };
  const { start, told, call, stream } = await whole.daemon({ manager });
  const ids = ["idle", "closed", "busy"];
  for (const id of ids) await start(id);
  for (const id of ids) await told(id, "runs", inPhase(RUNNING));
  const active = (id: string, closed = false): Promise<void> => call("MarkActive", wsman.MarkActiveRequest.encode({ id, closed }).finish());
  for (const id of ids) await active(id);
  const busy = setInterval(() => void active("busy").catch(() => {}), 300);
  t.after(() => clearInterval(busy));
  await active("closed", true);
  const closed = await told("closed", "has stopped", inPhase(STOPPED));
  assert.match(closed.conditions?.timeout ?? "", /^workspace timed out after after being closed/);
  const idle = await told("idle", "has stopped", inPhase(STOPPED));
  assert.match(idle.conditions?.timeout ?? "", /^workspace timed out after period of inactivity \(00h\d\dm\) took longer than 00h00m$/);
  assert.equal(stream.last("busy")?.conditions?.timeout, "");
  assert.equal(stream.last("busy")?.phase, RUNNING);
});

test("an API server that fails, conflicts and drops its watches changes nothing about how thirty workspaces end", async (t) => {
  const whole = await startWholeCluster(t, { nodes: 4 });
  const { faults } = whole.cluster;
  const { start, stop, told } = await whole.daemon();
  const ids = Array.from({ length: 30 }, (_, i) => `ws${i}`);
  const remove = [
    faults.add({ verbs: ["patch"], percent: 10, code: 500 }), faults.add({ verbs: ["patch"], percent: 5, code: 409 }), faults.add({ verbs: ["delete"], percent: 20, code: 429 }),
  ];
  const cutting = setInterval(() => faults.cutWatches("reset"), 700);
  t.after(() => clearInterval(cutting));
  await Promise.all(ids.map((id) => start(id)));
  for (const id of ids) await told(id, "runs", inPhase(RUNNING));
  await Promise.all(ids.map((id) => stop(id)));
  for (const id of ids) {
    const { conditions } = await told(id, "has stopped", inPhase(STOPPED));
    assert.equal(conditions?.failed, "");
  }
  for (const each of remove) each();
  await until("nothing is left", () => whole.leftovers().length === 0, 40_000);
  assert.equal(whole.nodes.storage.urls().filter((url) => url.includes("backup")).length, ids.length);
});
