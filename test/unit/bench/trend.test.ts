/** Tests of how the load tool tells growth from noise. */
import { describe, test } from "node:test";
import assert from "node:assert/strict";
import { trendOf } from "../../../src/bench/report/trend.ts";
import type { Points } from "../../../src/bench/load/timeline.ts";
import { seededRandom } from "../../../src/embedded/kubelet/random.ts";

/** Memory of half an hour, one value a second. */
function memory(value: (second: number, random: () => number) => number): Points {
  const random = seededRandom(7);
  return Array.from({ length: 1800 }, (_, second) => [second / 3600, value(second, random)] as const);
}

describe("a trend", () => {
  test("of a straight line is its slope, without noise", () => {
    const trend = trendOf(memory((second) => 200 + second / 360), 30);
    assert.ok(trend && Math.abs(trend.slope - 10) < 1e-6 && trend.noise < 1e-6, JSON.stringify(trend));
  });

  test("of a saw tooth that grows by nothing lies within the noise", () => {
    const trend = trendOf(memory((second, random) => 200 + (second % 97) / 4 + random() * 10), 30);
    assert.ok(trend && trend.noise > 0 && Math.abs(trend.slope) <= trend.noise, JSON.stringify(trend));
  });

  test("of a saw tooth that grows lies beyond the noise, and is the growth", () => {
    const trend = trendOf(memory((second, random) => 200 + (second / 3600) * 60 + (second % 37) / 4 + random() * 10), 30);
    assert.ok(trend && trend.slope > trend.noise && Math.abs(trend.slope - 60) <= trend.noise, JSON.stringify(trend));
  });

  test("is not moved by peaks, however high", () => {
    const trend = trendOf(memory((second) => 200 + second / 360 + (second % 60 < 10 ? 500 : 0)), 30);
    assert.ok(trend && Math.abs(trend.slope - 10) < 1, JSON.stringify(trend));
  });

  test("is not moved by a heap that finds its size at first, and still tells slow growth from that", () => {
    const flat = trendOf(memory((second, random) => 300 + (second < 200 ? second / 2 - 100 : 0) + random()), 30);
    assert.ok(flat && Math.abs(flat.slope) <= flat.noise && flat.noise < 30, JSON.stringify(flat));
    const leaking = trendOf(memory((second, random) => 300 + (second < 200 ? second / 2 - 100 : 0) + random() + second / 60), 30);
    assert.ok(leaking && leaking.slope > leaking.noise, JSON.stringify(leaking));
  });

  test("knows less where memory wanders slowly than where it jitters by as much", () => {
    const slow = trendOf(memory((second) => 200 + 5 * Math.sin(second / 150)), 30);
    const quick = trendOf(memory((second) => 200 + 5 * Math.sin(second * 13)), 30);
    assert.ok(slow && quick && slow.noise > 3 * quick.noise, `${slow?.noise} ${quick?.noise}`);
    assert.ok(Math.abs(slow.slope) <= slow.noise, JSON.stringify(slow));
  });

  test("can not be told of too little, and leaves out windows without values", () => {
    assert.equal(trendOf([], 12), undefined);
    assert.equal(trendOf([[0, 1], [1, 2], [2, 3]], 12), undefined);
    assert.equal(trendOf([[1, 5], [1, 5], [1, 5], [1, 5]], 12), undefined);
    const gap = memory((second) => 200 + second / 360).filter(([x]) => x < 0.1 || x > 0.4);
    assert.ok(Math.abs((trendOf(gap, 30)?.slope ?? 0) - 10) < 0.5);
  });
});
