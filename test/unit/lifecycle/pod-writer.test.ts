/** Writes of the controller: their answers take effect here, and a dry run deletes nothing. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { textAt } from "../../../src/domain/json.ts";
import { KubeError } from "../../../src/main/kube/errors.ts";
import { isConflict, isMissing, metadataIn, type AnnotationChanges, type Wish } from "../../../src/main/kube/objects.ts";
import { claimMarkOf } from "../../../src/main/lifecycle/claim-maker.ts";
import { PodWriter } from "../../../src/main/lifecycle/pod-writer.ts";
import { newRecord } from "../../../src/main/state/records.ts";
import type { WorkspaceRecord } from "../../../src/main/state/registry.ts";
import { recordOf, workspaceResult } from "../../support/results.ts";

const wish: Wish = { priority: "finalization", signal: new AbortController().signal };

function setup(dryRun: boolean, answer = '{"kind":"Pod","metadata":{}}') {
  const did: unknown[] = [];
  const writer = new PodWriter({
    dryRun,
    seen: async (pod) => void did.push(`seen ${Buffer.from(pod).toString()}`),
    objects: {
      get: async (path) => {
        did.push(path);
        if (answer === "") throw new KubeError("gone", { status: 404, reason: "NotFound" });
        return Buffer.from(answer);
      },
      annotate: async (patch) => {
        did.push(patch);
        return Buffer.from("{}");
      },
      remove: async (path, uid, grace) => {
        did.push([path, uid, grace]);
        return Buffer.from(answer);
      },
    },
  });
  return { did, writer };
}

test("what the API server answers is taken in, where it is a pod", async () => {
  const { did, writer } = setup(false);
  await writer.change(recordOf("u"), { a: "1" }, wish, { resourceVersion: "3" });
  await writer.delete(recordOf("u"), 30, wish);
  assert.deepEqual(did, [{ podName: "ws-ws1", uid: "u", annotations: { a: "1" }, resourceVersion: "3" }, "seen {}", ["pods/ws-ws1", "u", 30], 'seen {"kind":"Pod","metadata":{}}']);
  const other = setup(false, '{"kind":"Status"}');
  await other.writer.delete(recordOf("u"), 30, wish);
  assert.equal(other.did.length, 1);
});

test("a dry run changes annotations, and deletes neither pods nor claims", async () => {
  const { did, writer } = setup(true);
  await writer.delete(recordOf("u"), 30, wish);
  await writer.deleteClaim(recordOf("u"), wish);
  assert.deepEqual(did, []);
  await writer.annotate(recordOf("u"), { a: "1" }, wish);
  assert.equal(did.length, 2);
});

test("a claim is deleted as the one that is meant, or that is there now; where there is none, nothing is", async () => {
  const { did, writer } = setup(false, '{"kind":"PersistentVolumeClaim","metadata":{"uid":"c1"}}');
  await writer.deleteClaim(recordOf("u"), wish, "c0");
  assert.deepEqual(did, [["persistentvolumeclaims/ws-ws1", "c0", 0]]);
  await writer.deleteClaim(recordOf("u"), wish);
  assert.deepEqual(did.slice(1), ["persistentvolumeclaims/ws-ws1", ["persistentvolumeclaims/ws-ws1", "c1", 0]]);
  const none = setup(false, "");
  await none.writer.deleteClaim(recordOf("u"), wish);
  assert.deepEqual(none.did, ["persistentvolumeclaims/ws-ws1"]);
});

/** A writer on an API server with that claim and that pod, where they are. */
function withClaim({ claim, pod = { uid: "u", annotations: { "gitpod/ownerToken": "token" } }, dryRun = false }: { readonly claim?: object; readonly pod?: object | null; readonly dryRun?: boolean }) {
  const removed: unknown[] = [];
  const writer = new PodWriter({
    dryRun, seen: () => assert.fail("nothing is changed"),
    objects: {
      get: async (path) => {
        const metadata = path === "persistentvolumeclaims/ws-ws1" ? claim : path === "pods/ws-ws1" ? pod : undefined;
        if (!metadata) throw new KubeError("gone", { status: 404, reason: "NotFound" });
        return Buffer.from(JSON.stringify({ metadata }));
      },
      annotate: () => assert.fail("nothing is changed"),
      remove: async (path, uid, grace) => {
        removed.push([path, uid, grace]);
        return undefined;
      },
    },
  });
  return { removed, work: () => writer.deleteUnused(recordOf("u"), wish) };
}

test("the claim of a workspace that was never used is deleted if it was made for it, and stays if it was there before; so it does where that is not known", async () => {
  const made = (token: string): object => ({ uid: "c1", annotations: { "gitpod.io/createdFor": claimMarkOf(token) } });
  const own = withClaim({ claim: made("token") });
  assert.equal(await own.work(), false);
  assert.deepEqual(own.removed, [["persistentvolumeclaims/ws-ws1", "c1", 0]]);
  const foreign = withClaim({ claim: made("another's") });
  assert.equal(await foreign.work(), true);
  for (const pod of [null, { uid: "another" }]) {
    const gone = withClaim({ claim: made("token"), pod });
    await assert.rejects(gone.work(), isMissing);
    assert.deepEqual(gone.removed, []);
  }
  const [none, dry] = [withClaim({}), withClaim({ claim: made("token"), dryRun: true })];
  for (const each of [none, dry]) assert.equal(await each.work(), false);
  for (const { removed } of [foreign, none, dry]) assert.deepEqual(removed, []);
});

/** A writer on an API server with one pod, which others may change just before a request of ours arrives; what is read of it takes effect as `derive` has it. */
function onOnePod(derive: (record: WorkspaceRecord) => void = () => {}) {
  const record = newRecord(workspaceResult({ everReady: false }, { uid: "u", rv: 7 }).result, 0);
  const pod = { uid: "u", version: 7 };
  const did: unknown[] = [];
  const others: (() => void)[] = [];
  const bytes = (): Uint8Array => Buffer.from(JSON.stringify({ kind: "Pod", metadata: { uid: pod.uid, resourceVersion: String(pod.version) } }));
  const writer = new PodWriter({
    dryRun: false,
    seen: async (seen) => {
      record.resourceVersion = textAt(metadataIn(seen), "resourceVersion");
      derive(record);
    },
    objects: {
      get: async () => {
        did.push("look");
        return bytes();
      },
      annotate: async ({ annotations, resourceVersion, finalizers }) => {
        others.shift()?.();
        if (resourceVersion !== String(pod.version)) throw new KubeError("conflict", { status: 409, reason: "Conflict" });
        pod.version++;
        did.push({ ...annotations, ...finalizers });
        return bytes();
      },
      remove: () => assert.fail("nothing is to be deleted"),
    },
  });
  const decide = (): AnnotationChanges | undefined => (record.facts.everReady ? undefined : { failed: "true" });
  return { record, pod, did, others, writer, decide };
}

test("what was decided is written on that version of the pod alone; in the usual case that takes no other request", async () => {
  const { record, did, writer, decide } = onOnePod();
  assert.ok(await writer.decide(record, decide, wish, { finalizers: { add: "f" } }));
  assert.deepEqual(did, [{ failed: "true", add: "f" }]);
});

test("a leader that stood still between its decision and the request does not undo what its successor has done", async () => {
  const { record, pod, did, others, writer, decide } = onOnePod((known) => void (known.facts = { ...known.facts, everReady: true }));
  others.push(() => pod.version++);
  assert.equal(await writer.decide(record, decide, wish), undefined);
  assert.deepEqual(did, ["look"], "it was looked at, and there is nothing to be written any more");
  const gone = onOnePod();
  gone.others.push(() => Object.assign(gone.pod, { uid: "another", version: 9 }));
  await assert.rejects(gone.writer.decide(gone.record, gone.decide, wish), isMissing);
  assert.deepEqual(gone.did, ["look"]);
});

test("changes that make no difference only cost a look, but not for ever", async () => {
  const { record, pod, did, others, writer, decide } = onOnePod();
  others.push(() => pod.version++, () => pod.version++);
  await writer.decide(record, decide, wish);
  assert.deepEqual(did, ["look", "look", { failed: "true" }]);
  const restless = onOnePod();
  restless.others.push(...Array.from({ length: 100 }, () => () => void restless.pod.version++));
  await assert.rejects(restless.writer.decide(restless.record, restless.decide, wish), isConflict);
  assert.equal(restless.did.length, 5);
});

test("a pod that can not be understood any more, whose looks take no effect, is written to on the version that was read", async () => {
  const { record, pod, did, others, writer, decide } = onOnePod((known) => void (known.resourceVersion = "7"));
  others.push(() => pod.version++);
  await writer.decide(record, decide, wish);
  assert.deepEqual(did, ["look", { failed: "true" }]);
});

test("a pod whose version is not known, as after the API server's store was set back, is looked at first, and decided about then", async () => {
  const known = onOnePod();
  known.record.resourceVersion = "0";
  await known.writer.decide(known.record, known.decide, wish);
  assert.deepEqual(known.did, ["look", { failed: "true" }]);
  const late = onOnePod((record) => void (record.resourceVersion = "0"));
  late.record.resourceVersion = "0";
  await assert.rejects(late.writer.decide(late.record, late.decide, wish), isConflict);
  assert.deepEqual(late.did, ["look"]);
});
