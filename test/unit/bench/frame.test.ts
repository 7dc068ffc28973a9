/** Tests of the load tool's reading of encoded statuses. */
import { test } from "node:test";
import assert from "node:assert/strict";
import { FrameReader, stoppedPhase } from "../../../src/bench/load/frame.ts";
import { wsman } from "../../../src/gen/proto.js";

function encoded(status: object, header: Record<string, string> = {}): Uint8Array {
  return wsman.SubscribeResponse.encode(wsman.SubscribeResponse.fromObject({ status, header })).finish();
}

function read(bytes: Uint8Array, start = 0, end = bytes.length): { stamp: number; version: number } {
  const reader = new FrameReader();
  reader.read(bytes, start, end);
  return { stamp: reader.stamp, version: reader.version };
}

const version = 115_343_360_000_123;

test("stamp and version are found between everything else that a status holds", () => {
  const bytes = encoded({
    id: "w1", statusVersion: version, message: "m".repeat(300), phase: wsman.WorkspacePhase.RUNNING,
    metadata: { owner: "o", metaId: "m", startedAt: { seconds: 1_700_000_000, nanos: 5 }, annotations: { a: "1", bench: "4711", benchmark: "9" }, team: "t" },
    spec: { url: "https://example.com" }, runtime: { podName: "p" },
  }, { traceparent: "x" });
  assert.deepEqual(read(bytes), { stamp: 4711, version });
});

test("ID and phase are found, and where there is no ID, none", () => {
  const reader = new FrameReader();
  const bytes = Buffer.concat([Buffer.alloc(3), encoded({ id: "0a-1b", statusVersion: version, metadata: { owner: "o" }, phase: wsman.WorkspacePhase.STOPPED })]);
  reader.read(bytes, 3, bytes.length);
  assert.deepEqual([bytes.toString("latin1", reader.idFrom, reader.idTo), reader.phase], ["0a-1b", stoppedPhase]);
  const none = encoded({ statusVersion: 1 });
  reader.read(none, 0, none.length);
  assert.deepEqual([reader.idTo - reader.idFrom, reader.phase], [0, 0]);
});

test("only the bytes between the two places are read", () => {
  const bytes = encoded({ statusVersion: 5, metadata: { annotations: { bench: "12" } } });
  const around = Buffer.concat([Buffer.from([255, 255]), bytes, Buffer.from([255])]);
  assert.deepEqual(read(around, 2, 2 + bytes.length), { stamp: 12, version: 5 });
});

test("a status without a stamp, or with one that is no number, has none", () => {
  for (const annotations of [{}, { bench: "" }, { bench: "1x" }, { Bench: "1" }]) assert.equal(read(encoded({ id: "w", metadata: { annotations } })).stamp, -1);
});

test("what an earlier message said is forgotten", () => {
  const reader = new FrameReader();
  const [stamped, bare] = [encoded({ statusVersion: 9, metadata: { annotations: { bench: "1" } } }), encoded({ id: "w" })];
  reader.read(stamped, 0, stamped.length);
  reader.read(bare, 0, bare.length);
  assert.deepEqual([reader.stamp, reader.version], [-1, 0]);
});

test("bytes that were cut off are an error, not a wrong number", () => {
  const bytes = encoded({ metadata: { annotations: { bench: "123" } } });
  assert.throws(() => read(bytes, 0, bytes.length - 1), RangeError);
});
