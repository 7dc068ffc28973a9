/** Tests of several flows that are told of as one. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { inTime, joinedDelays, wholeOf } from "../../../src/bench/load/flow.ts";
import { delayHistogram } from "../../../src/bench/load/ledger.ts";

const plan = { base: 1, total: 10, workspaces: 1, first: 0, interval: 5, startAt: 0, measuredFrom: 0 };
const sent = { written: new Float64Array(), failed: 0, late: "", share: 0 };

test("points of flows stand where each was, and between them there is nothing", () => {
  const flows = [{ plan: { ...plan, startAt: 2000 }, deliveredAt: 4000, rate: 7 }, { plan: { ...plan, startAt: 9000 }, deliveredAt: 9500, rate: 5 }];
  assert.deepEqual(inTime(flows, 1000, ({ rate }) => [[0.5, rate], [1.5, rate]]), [[1, 0], [1.5, 7], [2.5, 7], [3, 0], [8, 0], [8.5, 5], [8.5, 5], [8.5, 0]]);
});

test("delays of flows count together, those of each kind by themselves", () => {
  const [latency, late] = [delayHistogram(), delayHistogram()];
  latency.recordValue(1000);
  late.recordValue(5000);
  const all = joinedDelays<"latency" | "late">([{ latency, late }, { latency, late }], "latency");
  assert.deepEqual([all.totalCount, all.maxValue], [2, 1000]);
});

test("a flow that was cut short does not count beside whole ones, and does if there are no others", () => {
  const whole = { plan, sent: { ...sent, sent: 10 } };
  const cut = { plan, sent: { ...sent, sent: 3 } };
  assert.deepEqual(wholeOf([whole, cut]), [whole]);
  assert.deepEqual(wholeOf([cut]), [cut]);
});
