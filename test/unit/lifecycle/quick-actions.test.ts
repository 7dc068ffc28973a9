/** Actions of one request each. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Action } from "../../../src/domain/actions.ts";
import { KubeError } from "../../../src/main/kube/errors.ts";
import { isConflict, type AnnotationChanges } from "../../../src/main/kube/objects.ts";
import { isOvertaken, Permit } from "../../../src/main/lifecycle/acting.ts";
import { isQuick, type DropPlaceholder, QuickActions } from "../../../src/main/lifecycle/quick-actions.ts";
import { newRecord } from "../../../src/main/state/records.ts";
import { unknownVersion, type WorkspaceRecord } from "../../../src/main/state/registry.ts";
import { workspaceResult } from "../../support/results.ts";
import { RecordingLog } from "../kube/helpers.ts";

const signal = new AbortController().signal;
const permit = new Permit({ signal, goesOn: () => true }, 0, signal);

/** @param status of each answer. @param onLook the pod has changed since it was decided about, and is looked at. */
function setup(status?: number, onLook?: (record: WorkspaceRecord) => void) {
  const record = newRecord(workspaceResult({}, { rv: 7 }).result, 0);
  const did: unknown[] = [];
  const answer = (what: unknown): Uint8Array => {
    did.push(what);
    if (fails.with) throw fails.with;
    return new Uint8Array();
  };
  const decided = (decide: () => AnnotationChanges | undefined, change: unknown): Uint8Array | undefined => {
    onLook?.(record);
    const changes = decide();
    return changes && answer(["on its version", changes, change]);
  };
  const givenUp: string[] = [];
  const log = new RecordingLog();
  const isForeign = { claim: false };
  const fails: { with: KubeError | undefined } = { with: status === undefined ? undefined : new KubeError("no", { status, reason: "" }) };
  const quick = new QuickActions({
    placeholders: { drop: async (_record, { podName }) => void answer(`drop ${podName}`) },
    declareStopped: () => did.push("declared"),
    gaveUp: ({ uid }, status) => givenUp.push(uid, status),
    writer: { decide: async (_record, decide, _wish, change) => decided(decide, change), change: async (_record, annotations, _wish, change) => answer([annotations, change]), delete: async (_record, grace) => void answer(`delete ${grace}`), deleteUnused: async () => answer("claim") && isForeign.claim },
    log,
  });
  return { did, givenUp, log, isForeign, fails, record, first: async (...actions: (Action | DropPlaceholder)[]) => quick.first(record, actions.filter(isQuick), permit) };
}

const set = (key: string, value: string) => ({ action: "setAnnotation", key, value }) as const;

test("what stands together and can be one patch is one, and no more", async () => {
  const { did, first } = setup();
  assert.equal(await first(set("a", "1"), { action: "removeAnnotation", key: "b" }, { action: "addFinalizer" }, { action: "deletePod", gracePeriodSeconds: 30 }, set("c", "2")), 3);
  assert.deepEqual(did, [[{ a: "1", b: null }, { finalizers: { add: "gitpod.io/finalizer" } }]]);
  assert.equal(await first({ action: "deletePod", gracePeriodSeconds: 5 }, set("c", "2")), 1);
  assert.equal(did[1], "delete 5");
});

test("a pod is guarded by the patch that marks it as failed, before it is deleted", async () => {
  const { did, first } = setup(undefined, () => {});
  assert.equal(await first(set("gitpod/failedBeforeStopping", "true"), { action: "guardPod" }, { action: "deletePod", gracePeriodSeconds: 30 }), 2);
  assert.deepEqual(did, [["on its version", { "gitpod/failedBeforeStopping": "true" }, { finalizers: { add: "gitpod.io/finalizer" } }]]);
});

test("the end is told before the finalizer goes", async () => {
  const { did, first } = setup();
  await first({ action: "removeFinalizer" });
  assert.deepEqual(did, ["declared", [{}, { finalizers: { remove: "gitpod.io/finalizer" } }]]);
});

test("of a pod that is not known well enough, since the API server's store was set back, nothing is deleted, released or told as ended", async () => {
  for (const action of [{ action: "removeFinalizer" }, { action: "deletePvc" }, { action: "deletePod", gracePeriodSeconds: 30 }, { action: "dropPlaceholder", placeholder: { podName: "placeholder-ws-ws1", uid: "s" } }] as const) {
    const { did, first, record } = setup();
    const version = record.resourceVersion;
    record.resourceVersion = unknownVersion;
    await assert.rejects(first(action), { status: 409 });
    assert.deepEqual(did, []);
    record.resourceVersion = version;
    assert.equal(await first(action), 1);
    assert.notDeepEqual(did, [], `${action.action} is done once the pod is known`);
  }
});

test("what is never taken back is only written on the pod that was decided about; one that has changed is decided about anew", async () => {
  const lasting = [set("gitpod.io/disposalStatus", "{}"), set("gitpod/failedBeforeStopping", "true"), set("gitpod/explicitFail", "no image")];
  for (const mark of lasting) {
    const same = setup(undefined, () => {});
    await same.first(mark, { action: "addFinalizer" });
    assert.deepEqual(same.did, [["on its version", { [mark.key]: mark.value }, { finalizers: { add: "gitpod.io/finalizer" } }]]);
    const other = setup(undefined, (record) => void (record.actions = [mark]));
    await other.first(mark);
    assert.deepEqual([other.did, other.givenUp], [[], []]);
    await assert.rejects(setup(409).first(mark), isConflict, "the pod is not deleted before its failure is written");
  }
  const lesser = setup();
  await lesser.first(set("a", "1"));
  assert.deepEqual(lesser.did, [[{ a: "1" }, {}]]);
});

test("a backup that is given up is told once that is written down", async () => {
  const written = setup();
  await written.first(set("a", "1"));
  await written.first(set("gitpod.io/disposalStatus", "{}"));
  assert.deepEqual(written.givenUp, [written.record.uid, "{}"]);
  const conflict = setup(409);
  await assert.rejects(conflict.first(set("gitpod.io/disposalStatus", "{}")));
  assert.deepEqual(conflict.givenUp, []);
});

test("a pod that is gone is a normal end", async () => {
  const { first } = setup(404);
  assert.equal(await first({ action: "deletePvc" }), 1);
  assert.equal(await first(set("a", "1")), 1);
});

test("a claim that was there before the workspace stays, and the log says so", async () => {
  const { did, first, isForeign, log } = setup();
  assert.equal(await first({ action: "deletePvc" }), 1);
  assert.deepEqual([did, log.entries], [["claim"], []]);
  isForeign.claim = true;
  assert.equal(await first({ action: "deletePvc" }), 1);
  assert.match(JSON.stringify(log.entries), /a claim that was there before it: it stays/);
});

test("a claim that may not be deleted, or whose deletion fails for minutes, does not keep its workspace from ending", async () => {
  for (const [status, tries] of [[403, 1], [422, 1], [500, 10], [0, 10], [409, 10]] as const) {
    const { first, log } = setup(status);
    for (let i = 1; i < tries; i++) await assert.rejects(first({ action: "deletePvc" }), /^KubeError: no/, `${status}, try ${i}`);
    assert.deepEqual(log.entries, []);
    assert.equal(await first({ action: "deletePvc" }), 1, `after ${tries} tries of ${status}`);
    assert.match(JSON.stringify(log.entries), /a workspace's claim could not be deleted: it stays/);
  }
});

test("that somebody else leads is no answer about a claim", async () => {
  const { first, fails, log } = setup();
  fails.with = new KubeError("cancelled", { status: 0, reason: "Aborted", retryable: false });
  await assert.rejects(first({ action: "deletePvc" }), (error) => isOvertaken(error, permit));
  assert.deepEqual(log.entries, []);
});
