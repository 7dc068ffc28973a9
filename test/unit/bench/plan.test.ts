/** What a load's progress says of its plan. */
import { test } from "node:test";
import assert from "node:assert/strict";
import { machineNow } from "../../../src/bench/load/clock.ts";
import { progressOf } from "../../../src/bench/load/plan.ts";

/** Ten changes a second: three seconds of warm-up, five that are measured. @param startsInMs from now to the first change. */
function progressAt(startsInMs: number): string {
  return progressOf({ base: 1, total: 80, workspaces: 10, first: 0, interval: 100, startAt: machineNow() + startsInMs, measuredFrom: 30 });
}

test("the countdowns begin at what was asked for, though the first change is due in a moment", () => {
  assert.equal(progressAt(300), "warming up, 3 s to go");
  assert.equal(progressAt(-1500), "warming up, 2 s to go");
  assert.equal(progressAt(-3001), "measuring, 5 s to go");
  assert.equal(progressAt(-9000), "measuring, 0 s to go");
});
