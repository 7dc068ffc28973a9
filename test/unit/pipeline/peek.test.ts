/** A pod's uid is found without parsing: by it, Events find the lines of their pod. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { peekUid } from "../../../src/main/pipeline/peek.ts";
import { podIn, podStates, served } from "../../support/pods.ts";
import { change, json } from "./core.ts";

test("the uid of a pod is found in a watch's line and in a bare pod, in whatever state, however large", () => {
  for (const state of podStates) {
    const pod = served(podIn(state, "w1", { size: 100_000 }), "1", "0b2c-uid");
    // The API server writes them in this order.
    const metadata = { name: "n".repeat(253), generateName: "g".repeat(253), namespace: "s".repeat(63), uid: "0b2c-uid", labels: pod.metadata.labels, annotations: pod.metadata.annotations };
    assert.equal(peekUid(json({ ...pod, metadata })), "0b2c-uid");
    assert.equal(peekUid(change("MODIFIED", { ...pod, metadata })), "0b2c-uid");
  }
});

test("of several it is the first: those of owners come later", () => {
  assert.equal(peekUid(json({ metadata: { name: "a", uid: "mine", ownerReferences: [{ uid: "other" }] } })), "mine");
});

test("only the bytes given are looked at, not those around them in the buffer", () => {
  const buffer = Buffer.from(`"uid":"before" {"uid":"mine"} "uid":"after"`);
  assert.equal(peekUid(buffer.subarray(14, 29)), "mine");
  assert.equal(peekUid(buffer.subarray(29, 35)), undefined);
  assert.equal(peekUid(buffer.subarray(15, 24)), undefined);
});

test("where there is none, or none that ends, there is no guess", () => {
  for (const text of ["", "{}", '{"uid":', '{"uid":"', '{"uid":"abc', '{"uid":17}', `{"uid":"${"x".repeat(129)}"}`, `{"name":"${"x".repeat(3000)}","uid":"far"}`]) assert.equal(peekUid(Buffer.from(text)), undefined, text.slice(0, 30));
});
