/** IDs read out of answers, and requests for them, against the generated code. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { describeRequest, idsIn } from "../../../src/bench/load/answers.ts";
import { wsman } from "../../../src/gen/proto.js";

test("every ID of an answer is found, in order", () => {
  const ids = ["a", "workspace-2", "ö".repeat(60)];
  const answer = wsman.GetWorkspacesResponse.encode({ status: ids.map((id) => ({ id, message: "x".repeat(300), metadata: { owner: "o" } })) }).finish();
  assert.deepEqual(idsIn(answer).map((id) => Buffer.from(id).toString()), ids);
  assert.deepEqual(idsIn(new Uint8Array()), []);
});

test("bytes that are no such answer are refused", () => {
  const answer = wsman.GetWorkspacesResponse.encode({ status: [{ id: "abc" }] }).finish();
  assert.throws(() => idsIn(answer.subarray(0, answer.length - 1)), RangeError);
  assert.throws(() => idsIn(wsman.GetWorkspacesResponse.encode({ status: [{ message: "no ID" }] }).finish()), RangeError);
  assert.throws(() => idsIn(Buffer.from([0x12, 0])), RangeError);
  assert.throws(() => idsIn(Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0xff])), RangeError);
});

test("a request names the workspace", () => {
  assert.equal(wsman.DescribeWorkspaceRequest.decode(describeRequest(Buffer.from("abc"))).id, "abc");
  assert.throws(() => describeRequest(Buffer.alloc(128)), RangeError);
});
