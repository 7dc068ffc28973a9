/** What the controller is told to do, status by status. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Action } from "../../../src/domain/actions.ts";
import type { PodEvent } from "../../../src/domain/messages.ts";
import { decide } from "../../../src/workers/actions.ts";
import { readPod } from "../../../src/workers/pod.ts";
import { deriveStatus } from "../../../src/workers/status.ts";
import { config, deletedPod, pendingPod, runningPod, withState, type RawPod } from "./pods.ts";

function actions(raw: RawPod, events: readonly PodEvent[] = []): readonly Action[] {
  const pod = readPod(raw);
  return decide(pod, deriveStatus(pod, events, config));
}

function with_(...annotations: [string, string][]): (pod: RawPod) => void {
  return (pod) => void Object.assign(pod.metadata.annotations, Object.fromEntries(annotations));
}

const neverReady: [string, string] = ["gitpod/never-ready", "true"];
const onNode: [string, string] = ["gitpod.io/nodeName", "node-1"];
const ended = { terminated: { exitCode: 0, reason: "Completed" } };

describe("before stopping", () => {
  it("a running workspace gets its finalizer and node name, and nothing once it has them", () => {
    assert.deepEqual(actions(runningPod((p) => delete p.metadata["finalizers"])), [{ action: "addFinalizer" }, { action: "setAnnotation", key: "gitpod.io/nodeName", value: "node-1" }]);
    assert.deepEqual(actions(runningPod(with_(onNode))), []);
  });
  it("one that is being created gets its content, one that initializes is waited for", () => {
    assert.deepEqual(actions(pendingPod()), [{ action: "initializeContent" }]);
    assert.deepEqual(actions(runningPod(with_(neverReady))), [{ action: "waitForReady" }]);
  });
  it("one that failed is marked and deleted", () => {
    const mark = { action: "setAnnotation", key: "gitpod/failedBeforeStopping", value: "true" };
    const stop = { action: "deletePod", gracePeriodSeconds: 30 };
    assert.deepEqual(actions(runningPod(with_(["gitpod/explicitFail", "x"]))), [mark, stop]);
    assert.deepEqual(actions(runningPod(with_(["gitpod/explicitFail", "x"], ["gitpod/failedBeforeStopping", "true"]))), [stop]);
  });
  it("a failure that only Events tell is written down with the mark, and is not forgotten when the pod recovers before it is deleted", () => {
    const events = [{ reason: "FailedMount", message: "no such volume", timeMs: 0 }] as const;
    const stop = { action: "deletePod", gracePeriodSeconds: 30 } as const;
    const marks = [{ action: "setAnnotation", key: "gitpod/failedBeforeStopping", value: "true" }, { action: "setAnnotation", key: "gitpod/explicitFail", value: "no such volume" }] as const;
    assert.deepEqual(actions(pendingPod(), events), [...marks, stop]);
    assert.deepEqual(actions(runningPod(with_(["gitpod/failedBeforeStopping", "true"], ["gitpod/explicitFail", "no such volume"])), events), [stop]);
    assert.deepEqual(actions(runningPod(with_(["gitpod/failedBeforeStopping", "true"]))), [stop], "of a failure that others marked");
  });
  it("one that timed out is deleted, without being marked as failed", () => {
    assert.deepEqual(actions(runningPod(with_(["gitpod/timedout", "x"]))), [{ action: "deletePod", gracePeriodSeconds: 30 }]);
  });
  it("a stop request is met with its grace period, in every phase", () => {
    const grace = (text: string): readonly Action[] => actions(runningPod(with_(onNode, ["gitpod.io/stoppedByRequest", text])));
    for (const [text, gracePeriodSeconds] of [["1s", 1], ["1m30s", 90], ["500ms", 1], ["soon", 30], ["-5s", 30], ["", 30]] as const) {
      assert.deepEqual(grace(text), [{ action: "deletePod", gracePeriodSeconds }], text);
    }
    assert.deepEqual(actions(pendingPod((p) => { withState(p, {}); with_(["gitpod.io/stoppedByRequest", "1s"])(p); })), [{ action: "deletePod", gracePeriodSeconds: 1 }]);
  });
});

describe("a pod that was used and has no finalizer", () => {
  const bare = (...more: [string, string][]): RawPod => runningPod((p) => { delete p.metadata["finalizers"]; with_(onNode, ...more)(p); });
  const guarded = (gracePeriodSeconds = 30): readonly Action[] => [{ action: "guardPod" }, { action: "deletePod", gracePeriodSeconds }];

  it("gets it before it is deleted, for nothing can be added to it then", () => {
    assert.deepEqual(actions(bare(["gitpod.io/stoppedByRequest", "1s"])).slice(0, 2), guarded(1));
    assert.deepEqual(actions(bare(["gitpod/timedout", "x"])), guarded());
    assert.deepEqual(actions(bare(["gitpod/explicitFail", "x"])), [{ action: "setAnnotation", key: "gitpod/failedBeforeStopping", value: "true" }, ...guarded()]);
    const interrupted = bare(["gitpod.io/stoppedByRequest", "30s"]);
    withState(interrupted, { terminated: { exitCode: 255 } });
    assert.deepEqual(actions(interrupted), guarded());
    const completed = bare();
    Object.assign(completed.metadata.labels, { headless: "true" });
    completed.status = { phase: "Succeeded" };
    assert.deepEqual(actions(completed), guarded());
  });
  it("gets it also unused where it has a claim, which would stay behind", () => {
    const claimed = bare(neverReady, ["gitpod/timedout", "x"]);
    Object.assign(claimed.metadata.labels, { "gitpod.io/pvcFeature": "true" });
    assert.deepEqual(actions(claimed), guarded());
  });
  it("gets none where it is being deleted already, or was never used", () => {
    assert.deepEqual(actions(bare(neverReady, ["gitpod/timedout", "x"])), [{ action: "deletePod", gracePeriodSeconds: 30 }]);
    assert.deepEqual(actions(deletedPod((p) => { delete p.metadata["finalizers"]; with_(["gitpod.io/stoppedByRequest", "1s"])(p); })), []);
  });
});

describe("scheduling", () => {
  const attempting: [string, string] = ["gitpod.io/attemptingToCreate", "true"];
  const remove: Action = { action: "removeAnnotation", key: "gitpod.io/attemptingToCreate" };

  it("attemptingToCreate goes once the pod has a place", () => {
    assert.deepEqual(actions(pendingPod(with_(attempting))), []);
    assert.deepEqual(actions(pendingPod((p) => { with_(attempting)(p); p.status["conditions"] = [{ type: "PodScheduled", status: "True" }]; })), [remove]);
    assert.deepEqual(actions(runningPod(with_(attempting))), [remove]);
  });
  it("attemptingToCreate goes when a pod without a place is deleted, so that its finalizer can", () => {
    const deleted = (finalizers: string[]): RawPod => pendingPod((p) => { with_(attempting)(p); Object.assign(p.metadata, { deletionTimestamp: "2026-03-01T10:10:00Z", finalizers }); });
    assert.deepEqual(actions(deleted(["gitpod.io/finalizer"])), [remove]);
    assert.deepEqual(actions(deleted([])), []);
  });
  it("a pod that a node refused is made anew, but not one that was ever ready, ran, or failed otherwise", () => {
    const refused = (reason: string, change: (p: RawPod) => void = () => {}): RawPod => runningPod((p) => { with_(neverReady)(p); p.status = { phase: "Failed", reason, message: "no room" }; change(p); });
    for (const reason of ["OutOfcpu", "OutOfmemory", "NodeAffinity", "UnexpectedAdmissionError"]) assert.deepEqual(actions(refused(reason)), [{ action: "recreatePod" }]);
    const again = (raw: RawPod): boolean => actions(raw).some((a) => a.action === "recreatePod");
    assert.ok(!again(refused("Evicted")));
    assert.ok(!again(refused("OutOfcpu", (p) => delete p.metadata.annotations["gitpod/never-ready"])));
    assert.ok(!again(refused("OutOfcpu", with_(["gitpod/explicitFail", "x"]))));
    assert.ok(!again(refused("OutOfcpu", (p) => withState(p, { terminated: { exitCode: 0, startedAt: "2026-03-01T10:00:01Z" } }))));
  });
});

describe("stopping", () => {
  it("a pod that ended by itself is deleted", () => {
    assert.deepEqual(actions(runningPod((p) => { p.status = { phase: "Succeeded" }; p.metadata.labels["headless"] = "true"; })), [{ action: "deletePod", gracePeriodSeconds: 30 }]);
  });
  it("content is finalized once the container does not run any more", () => {
    assert.deepEqual(actions(deletedPod()), []);
    assert.deepEqual(actions(deletedPod((p) => (p.status["containerStatuses"] = []))), [], "a pod said to run is believed");
    const finalize = { action: "finalizeContent", resume: false };
    assert.deepEqual(actions(deletedPod((p) => withState(p, ended))), [finalize]);
    assert.deepEqual(actions(deletedPod(with_(["gitpod.io/containerIsGone", "true"]))), [finalize]);
    assert.deepEqual(actions(deletedPod((p) => (p.status = { phase: "Pending" }))), [finalize]);
    for (const mark of [["gitpod.io/startedDisposal", "true"], ["gitpod.io/disposalSince", "2026-01-01T00:00:00Z"]] as const) {
      assert.deepEqual(actions(deletedPod((p) => { withState(p, ended); with_([...mark])(p); })), [{ action: "finalizeContent", resume: true }], `one of the marks of a beginning is enough: ${mark[0]}`);
    }
  });
  it("a start that failed leaves nothing to save", () => {
    const failedStart = (...more: [string, string][]): RawPod => deletedPod((p) => { withState(p, ended); with_(neverReady, ["gitpod/failedBeforeStopping", "true"], ...more)(p); });
    assert.deepEqual(actions(failedStart()), [{ action: "setAnnotation", key: "gitpod/explicitFail", value: "workspace failed to start." }, { action: "removeFinalizer" }]);
    assert.deepEqual(actions(failedStart(["gitpod/explicitFail", "known"])), [{ action: "removeFinalizer" }]);
    const claim = failedStart(["gitpod/explicitFail", "known"]);
    claim.metadata.labels["gitpod.io/pvcFeature"] = "true";
    assert.deepEqual(actions(claim), [{ action: "deletePvc" }, { action: "removeFinalizer" }]);
  });
  it("the claim of a workspace that was never ready goes with it, however it ended", () => {
    const complete: [string, string] = ["gitpod.io/disposalStatus", '{"backupComplete":true}'];
    const claimed = (finalizers: string[], ...more: [string, string][]): RawPod => deletedPod((p) => { with_(complete, ...more)(p); p.metadata.labels["gitpod.io/pvcFeature"] = "true"; p.metadata["finalizers"] = finalizers; });
    assert.deepEqual(actions(claimed(["gitpod.io/finalizer"], neverReady)), [{ action: "deletePvc" }, { action: "removeFinalizer" }]);
    assert.deepEqual(actions(claimed(["gitpod.io/finalizer"])), [{ action: "removeFinalizer" }], "there is work in it");
    assert.deepEqual(actions(claimed([], neverReady)), [], "once");
  });
  it("a backup that timed out is given up, unless it is complete", () => {
    const text = "workspace timed out after backup (01h00m) took longer than 00h55m";
    assert.deepEqual(actions(deletedPod(with_(["gitpod/timedout", text]))), [
      { action: "setAnnotation", key: "gitpod.io/disposalStatus", value: `{"backupComplete":true,"backupFailure":"${text}"}` },
    ]);
    assert.deepEqual(actions(deletedPod(with_(["gitpod/timedout", text], ["gitpod.io/disposalStatus", '{"backupComplete":true}']))), [{ action: "removeFinalizer" }]);
  });
  it("a more urgent stop request shortens the grace period", () => {
    assert.deepEqual(actions(deletedPod(with_(["gitpod.io/stoppedByRequest", "1s"]))), [{ action: "deletePod", gracePeriodSeconds: 1 }]);
    assert.deepEqual(actions(deletedPod(with_(["gitpod.io/stoppedByRequest", "30s"]))), []);
    assert.deepEqual(actions(deletedPod(with_(["gitpod.io/stoppedByRequest", "42s"]))), []);
  });
  it("a stopped workspace loses its finalizer", () => {
    assert.deepEqual(actions(deletedPod(with_(["gitpod.io/disposalStatus", '{"backupComplete":true}']))), [{ action: "removeFinalizer" }]);
    assert.deepEqual(actions(deletedPod((p) => (p.metadata["finalizers"] = []))), []);
  });
});
