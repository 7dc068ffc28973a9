/** Mailboxes: what is written comes back the same, and what does not fit is told. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Action } from "../../../src/domain/actions.ts";
import { eventsOfLines, readResult, readTask, writeResult, writeTask } from "../../../src/domain/mailbox.ts";
import type { BatchResult, LineResult, TaskLine } from "../../../src/domain/messages.ts";

const plainly = { noNullPrototype: true };
const text = fc.string({ unit: "binary" }).map((value) => value.toWellFormed());
const time = fc.option(fc.double({ noNaN: true }), { nil: undefined });
const slice = fc.record({ start: fc.nat(), length: fc.nat() }, plainly);
const facts = fc.record({
  id: text, podName: text, owner: text, metaId: text, workspaceClass: text, nodeName: text, failed: text, timedOut: text, customTimeout: text,
  annotations: fc.option(fc.dictionary(fc.oneof(text, fc.constantFrom("__proto__", "constructor")), text, { minKeys: 1, noNullPrototype: true }), { nil: undefined }),
  phase: fc.nat(7), type: fc.nat(4), exposedPorts: fc.nat(), start: fc.maxSafeNat(), createdAt: fc.double({ noNaN: true }), deletedAt: time, disposalSince: time, lastActivity: time,
  headless: fc.boolean(), everActive: fc.boolean(), closed: fc.boolean(), everReady: fc.boolean(), pullingImages: fc.boolean(), backupComplete: fc.boolean(),
}, plainly);
const action: fc.Arbitrary<Action> = fc.oneof(
  fc.record({ action: fc.constant("deletePod" as const), gracePeriodSeconds: fc.nat() }, plainly),
  fc.record({ action: fc.constant("setAnnotation" as const), key: text, value: text }, plainly),
  fc.record({ action: fc.constant("removeAnnotation" as const), key: text }, plainly),
  fc.record({ action: fc.constant("finalizeContent" as const), resume: fc.boolean() }, plainly),
  fc.record({ action: fc.constantFrom("addFinalizer" as const, "removeFinalizer" as const, "recreatePod" as const, "initializeContent" as const, "waitForReady" as const, "deletePvc" as const, "guardPod" as const) }, plainly),
);
const common = { uid: text, resourceVersion: text, removed: fc.boolean() };
const line: fc.Arbitrary<LineResult> = fc.oneof(
  fc.record({ kind: fc.constant("workspace" as const), ...common, facts, start: fc.nat(), length: fc.nat(), digest: text, held: fc.option(slice, { nil: undefined }), actions: fc.array(action, { maxLength: 6 }), init: fc.option(slice, { nil: undefined }), trace: fc.option(slice, { nil: undefined }) }, plainly),
  fc.record({ kind: fc.constant("skipped" as const), ...common, reason: fc.constantFrom("unparsable" as const, "invalid" as const, "poisoned" as const), message: text, podName: text }, plainly),
);
const result: fc.Arbitrary<BatchResult> = fc.record({ busyMicros: fc.nat(), bytes: fc.uint8Array(), results: fc.array(line, { maxLength: 64 }) }, plainly);

test("a result comes back as it was written", () => {
  const memory = Buffer.from(new SharedArrayBuffer(1 << 20));
  fc.assert(fc.property(result, (given) => {
    const length = writeResult(memory, given);
    assert.ok(length !== undefined);
    const { bytes, ...rest } = readResult(memory);
    const { bytes: givenBytes, ...givenRest } = given;
    assert.deepEqual(rest, givenRest);
    assert.deepEqual(new Uint8Array(bytes), givenBytes);
  }));
});

test("a result that does not fit is told, whatever the size, and nothing is written beyond the memory", () => {
  fc.assert(fc.property(result, fc.nat(4000), (given, size) => {
    const all = Buffer.alloc(size + 16, 7);
    const length = writeResult(all.subarray(0, size), given);
    assert.ok(length === undefined || length <= size);
    assert.deepEqual(all.subarray(size), Buffer.alloc(16, 7));
  }));
});

test("a table of lines comes back as it was written, with the Events of each", () => {
  const memory = Buffer.from(new SharedArrayBuffer(4096));
  const event = { reason: "FailedMount" as const, message: "m", timeMs: 1 };
  const lines: TaskLine[] = Array.from({ length: 64 }, (_, i) => ({ source: i % 2 === 0 ? "watch" : "object", start: i * 1000, length: 999, events: i % 3 === 0 ? [event] : undefined }));
  writeTask(memory, lines);
  const buffer = new SharedArrayBuffer(0);
  assert.deepEqual(readTask(memory, { buffer, mailbox: 0, events: eventsOfLines(lines) }), { buffer, lines });
});
