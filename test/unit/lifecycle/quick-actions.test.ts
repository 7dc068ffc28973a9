/** Actions of one request each. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Action } from "../../../src/domain/actions.ts";
import { KubeError } from "../../../src/main/kube/errors.ts";
import { isConflict } from "../../../src/main/kube/objects.ts";
import { Permit } from "../../../src/main/lifecycle/acting.ts";
import { isQuick, type DropPlaceholder, QuickActions } from "../../../src/main/lifecycle/quick-actions.ts";
import { newRecord } from "../../../src/main/state/records.ts";
import type { WorkspaceRecord } from "../../../src/main/state/registry.ts";
import { workspaceResult } from "../../support/results.ts";

const signal = new AbortController().signal;
const permit = new Permit({ signal, goesOn: () => true }, 0, signal);

function setup(status?: number, onLook: (record: WorkspaceRecord) => void = () => {}) {
  const record = newRecord(workspaceResult({}, { rv: 7 }).result, 0);
  const did: unknown[] = [];
  const answer = (what: unknown): Uint8Array => {
    did.push(what);
    if (status !== undefined) throw new KubeError("no", { status, reason: "" });
    return new Uint8Array();
  };
  const givenUp: string[] = [];
  const quick = new QuickActions({
    placeholders: { drop: async (_record, { podName }) => void answer(`drop ${podName}`) },
    declareStopped: () => did.push("declared"),
    gaveUp: ({ uid }, status) => givenUp.push(uid, status),
    writer: { look: async () => onLook(record), change: async (_record, annotations, _wish, change) => answer([annotations, change]), delete: async (_record, grace) => void answer(`delete ${grace}`), deleteClaim: async () => void answer("claim") },
  });
  return { did, givenUp, record, first: async (...actions: (Action | DropPlaceholder)[]) => quick.first(record, actions.filter(isQuick), permit) };
}

const set = (key: string, value: string): Action => ({ action: "setAnnotation", key, value });

test("what stands together and can be one patch is one, and no more", async () => {
  const { did, first } = setup();
  assert.equal(await first(set("a", "1"), { action: "removeAnnotation", key: "b" }, { action: "addFinalizer" }, { action: "deletePod", gracePeriodSeconds: 30 }, set("c", "2")), 3);
  assert.deepEqual(did, [[{ a: "1", b: null }, { finalizers: { add: "gitpod.io/finalizer" } }]]);
  assert.equal(await first({ action: "deletePod", gracePeriodSeconds: 5 }, set("c", "2")), 1);
  assert.equal(did[1], "delete 5");
});

test("the end is told before the finalizer goes", async () => {
  const { did, first } = setup();
  await first({ action: "removeFinalizer" });
  assert.deepEqual(did, ["declared", [{}, { finalizers: { remove: "gitpod.io/finalizer" } }]]);
});

test("what became of the content is only written on the pod that was looked at; one that has changed is looked at again", async () => {
  const { did, first } = setup(409);
  await first(set("gitpod.io/disposalStatus", "{}"));
  assert.deepEqual(did, [[{ "gitpod.io/disposalStatus": "{}" }, { resourceVersion: "7" }]]);
  await assert.rejects(first(set("a", "1")), "other conflicts are failures");
});

test("of a pod whose version is not known nothing is written once before it was looked at, and decided about again", async () => {
  const mark = set("gitpod.io/disposalStatus", "{}");
  const known = setup(undefined, (record) => void (record.resourceVersion = "9"));
  known.record.resourceVersion = "0";
  await known.first(mark);
  assert.deepEqual(known.did, [[{ "gitpod.io/disposalStatus": "{}" }, { resourceVersion: "9" }]]);
  const decided = setup(undefined, (record) => void Object.assign(record, { resourceVersion: "9", actions: [] as const }));
  Object.assign(decided.record, { resourceVersion: "0", actions: [mark] });
  await decided.first(mark);
  const late = setup();
  late.record.resourceVersion = "0";
  await assert.rejects(late.first(mark), isConflict);
  assert.deepEqual([...decided.did, ...late.did], []);
});

test("a backup that is given up is told once that is written down", async () => {
  const written = setup();
  await written.first(set("a", "1"));
  await written.first(set("gitpod.io/disposalStatus", "{}"));
  assert.deepEqual(written.givenUp, [written.record.uid, "{}"]);
  const conflict = setup(409);
  await conflict.first(set("gitpod.io/disposalStatus", "{}"));
  assert.deepEqual(conflict.givenUp, []);
});

test("a pod that is gone is a normal end", async () => {
  const { first } = setup(404);
  assert.equal(await first({ action: "deletePvc" }), 1);
  assert.equal(await first(set("a", "1")), 1);
});
