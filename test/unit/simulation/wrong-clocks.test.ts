/** How much too early a leader may be whose wall clock is wrong. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { WrongClocks } from "../../support/simulation/wrong-clocks.ts";

const [second, minute, hour] = [1_000, 60_000, 3_600_000];

/** The clock of slot 0 after these settings, for activity at a time. */
function early(active: number, settings: readonly (readonly [at: number, byMs: number])[], began = 0): number {
  const clocks = new WrongClocks();
  clocks.began(0, began);
  clocks.set(1, 5, 3 * hour);
  for (const [at, byMs] of settings) clocks.set(0, at, byMs);
  return clocks.earlyMs(0, active);
}

test("a clock that is right, behind, or right again is never too early, nor is one of another machine's", () => {
  assert.equal(early(hour, []), 0);
  assert.equal(early(hour, [[minute, -3 * hour]]), 0);
  assert.equal(early(hour, [[minute, 3 * hour], [2 * minute, -3 * hour]]), 0);
  assert.equal(new WrongClocks().earlyMs(0, hour), 0);
});

test("a clock that is a minute ahead or less is not noticed: so much too early, whenever it was set", () => {
  for (const active of [minute, hour]) assert.equal(early(active, [[10 * minute, 40 * second]]), 40 * second);
  assert.equal(early(minute, [[10 * minute, minute]]), minute);
  assert.equal(early(minute, [[10 * minute, minute + 1]]), 0, "more is noticed");
  assert.equal(early(minute, [[10 * minute, 40 * second], [11 * minute, 40 * second]]), 0, "and so is a second one that makes it more");
});

test("of a jump that is noticed activity from before takes no harm", () => {
  assert.equal(early(10 * minute, [[10 * minute, 2 * hour]]), 0);
  assert.equal(early(10 * minute, [[11 * minute, 2 * hour], [12 * minute, 30 * second]]), 30 * second, "but for what was not noticed after it");
});

test("activity that others write down after a jump counts from the jump at least", () => {
  assert.equal(early(15 * minute, [[10 * minute, 2 * hour]]), 5 * minute);
  assert.equal(early(5 * hour, [[10 * minute, 2 * hour]]), 2 * hour, "and is no more wrong than the clock");
  assert.equal(early(5 * hour, [[10 * minute, 2 * hour], [6 * hour, 20 * minute]]), 2 * hour, "whatever comes later");
  assert.equal(early(15 * minute, [[10 * minute, 2 * hour], [20 * minute, 10 * minute - 2 * hour]]), 5 * minute, "unless it is set nearly right again");
});

test("a process that begins with a wrong clock can not know", () => {
  assert.equal(early(5 * minute, [[10 * minute, 2 * hour]], 11 * minute), 2 * hour);
  assert.equal(early(5 * minute, [[10 * minute, 2 * hour], [12 * minute, -2 * hour]], 11 * minute), 0);
});
