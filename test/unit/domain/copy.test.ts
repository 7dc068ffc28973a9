/** Copying into shared memory. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { copyShared } from "../../../src/domain/copy.ts";

test("any bytes, wherever they lie, come to the place that was asked for, and nothing else changes", () => {
  const place = fc.record({ memory: fc.uint8Array({ minLength: 1, maxLength: 200 }), from: fc.nat(200), length: fc.nat(200), at: fc.nat(100) });
  fc.assert(fc.property(place, ({ memory, from, length, at }) => {
    const bytes = memory.subarray(from, from + length);
    const target = Buffer.from(new SharedArrayBuffer(300)).fill(7);
    const expected = Buffer.alloc(300, 7);
    expected.set(bytes, at);
    copyShared(bytes, target, at);
    assert.deepEqual(Buffer.from(target), expected);
  }));
});

test("bytes that do not fit are refused, and none of them is copied", () => {
  const target = Buffer.from(new SharedArrayBuffer(4));
  assert.throws(() => copyShared(new Uint8Array([1, 2, 3]), target, 2), RangeError);
  assert.deepEqual([...target], [0, 0, 0, 0]);
});
