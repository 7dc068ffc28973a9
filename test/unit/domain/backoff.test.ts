/** Delays between attempts. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Backoff } from "../../../src/domain/backoff.ts";

test("delays double up to the bound, and start anew after a reset", () => {
  const backoff = new Backoff({ baseMs: 100, maxMs: 1000, random: () => 0.999_999 });
  assert.deepEqual([1, 2, 3, 4, 5, 6].map(() => Math.round(backoff.next())), [100, 200, 400, 800, 1000, 1000]);
  assert.equal(backoff.attempts, 6);
  backoff.reset();
  assert.equal(Math.round(backoff.next()), 100);
});

test("any delay lies in the upper half of its range, however many there were", () => {
  fc.assert(fc.property(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), fc.integer({ min: 0, max: 2000 }), (random, attempts) => {
    const backoff = new Backoff({ baseMs: 100, maxMs: 5000, random: () => random });
    for (let i = 0; i < attempts; i++) backoff.next();
    const ceiling = Math.min(5000, 100 * 2 ** Math.min(attempts, 20));
    const delay = backoff.next();
    assert.ok(delay >= ceiling / 2 && delay <= ceiling);
  }));
});
