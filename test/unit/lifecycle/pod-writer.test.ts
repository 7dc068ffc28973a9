/** Writes of the controller: their answers take effect here, and a dry run deletes nothing. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { isMissing, type Wish } from "../../../src/main/kube/objects.ts";
import { PodWriter } from "../../../src/main/lifecycle/pod-writer.ts";
import { recordOf } from "../../support/results.ts";

const wish: Wish = { priority: "finalization", signal: new AbortController().signal };

function setup(dryRun: boolean, answer = '{"kind":"Pod","metadata":{}}') {
  const did: unknown[] = [];
  const writer = new PodWriter({
    dryRun,
    seen: async (pod) => void did.push(`seen ${Buffer.from(pod).toString()}`),
    objects: {
      get: async (path) => {
        did.push(path);
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

test("a look at a pod takes effect here, and only at the pod that is meant", async () => {
  const { did, writer } = setup(false, '{"kind":"Pod","metadata":{"uid":"u"}}');
  await writer.look(recordOf("u"), wish);
  assert.deepEqual(did, ["pods/ws-ws1", 'seen {"kind":"Pod","metadata":{"uid":"u"}}']);
  await assert.rejects(writer.look(recordOf("other"), wish), isMissing);
  assert.equal(did.length, 3);
});
