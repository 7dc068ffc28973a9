/** The list of frames that can be kept: against a plain array, over any changes, and what was kept before. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { prefixBytes } from "../../../src/main/state/frame.ts";
import { FrameList, framesOf, type Frames } from "../../../src/main/state/frame-list.ts";
import { allOf } from "../../support/frames.ts";

const step = fc.record({ does: fc.constantFrom("push", "push", "push many", "set", "pop", "keep"), at: fc.nat(1000), size: fc.integer({ min: prefixBytes, max: 30 }) });

function assertSame(frames: Frames, expected: readonly Buffer[]): void {
  assert.equal(frames.length, expected.length);
  assert.ok(allOf(frames).every((frame, i) => frame === expected[i]));
  assert.equal(frames.at(expected.length), undefined);
  assert.equal(frames.bytes, expected.reduce((sum, frame) => sum + frame.length - prefixBytes, 0));
}

test("it is what a plain list would be, and what was kept of it stays as it was", () => {
  fc.assert(fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
    const list = new FrameList();
    const plain: Buffer[] = [];
    const kept: { readonly frames: Frames; readonly expected: readonly Buffer[] }[] = [];
    for (const { does, at, size } of steps) {
      const frame = Buffer.alloc(size);
      const place = plain.length === 0 ? 0 : at % plain.length;
      for (let i = 0; i < (does === "push" ? 1 : does === "push many" ? at : 0); i++) {
        list.push(frame);
        plain.push(frame);
      }
      if (does === "pop") assert.equal(list.pop(), plain.pop());
      else if (does === "set" && plain.length > 0) {
        list.set(place, frame);
        plain[place] = frame;
      } else if (does === "keep") kept.push({ frames: list.keep(), expected: plain.slice() });
      assert.equal(list.length, plain.length);
    }
    for (const { frames, expected } of kept) assertSame(frames, expected);
    assertSame(list.keep(), plain);
  }));
});

test("a place that is not there can not be set, and nothing can be taken from an empty list", () => {
  const list = new FrameList();
  list.set(0, Buffer.alloc(9));
  assert.equal(list.pop(), undefined);
  assertSame(list.keep(), []);
  assertSame(framesOf([]), []);
});
