/** Tests of the load tool's bounded memory over time: timelines and series. */
import { describe, test } from "node:test";
import assert from "node:assert/strict";
import { mergedPoints, pointsOf, Timeline } from "../../../src/bench/load/timeline.ts";
import { Series } from "../../../src/bench/report/series.ts";

const day = 86_400;

describe("a timeline", () => {
  test("gives sums per second and maxima, and nothing where nothing came", () => {
    const sums = new Timeline("sum");
    const most = new Timeline("max");
    for (const [second, value] of [[0, 5], [0.9, 7], [2.5, 1], [-3, 2]] as const) {
      sums.add(second, value);
      most.add(second, value);
    }
    assert.deepEqual(mergedPoints([sums.packed()], 10), [[0.5, 14], [1.5, 0], [2.5, 1]]);
    assert.deepEqual(mergedPoints([most.packed()], 10), [[0.5, 7], [1.5, 0], [2.5, 1]]);
  });

  test("stays small over a day, and keeps rate and peak", () => {
    const sums = new Timeline("sum");
    const most = new Timeline("max");
    for (let second = 0; second < day; second++) {
      sums.add(second + 0.5, 3);
      most.add(second + 0.5, second === 40_000 ? 99 : 1);
    }
    const rates = mergedPoints([sums.packed()], day);
    assert.ok(rates.length >= 500 && rates.length <= 1024, `${rates.length}`);
    for (const [, rate] of rates) assert.equal(rate, 3);
    const peaks = mergedPoints([most.packed()], day).filter(([, value]) => value > 1);
    assert.equal(peaks.length, 1);
    assert.ok(Math.abs((peaks[0]?.[0] ?? 0) - 40_000) <= 128);
  });

  test("is made of the values of single seconds", () => {
    assert.deepEqual(pointsOf([3, 0, 5], "max"), [[0.5, 3], [1.5, 0], [2.5, 5]]);
    assert.equal(pointsOf(Array.from({ length: day }, () => 1), "sum").length, Math.ceil(day / 128));
  });

  test("is merged with one that has shorter steps", () => {
    const long = new Timeline("sum");
    const short = new Timeline("sum");
    long.add(0.5, 2);
    long.add(2000, 4);
    for (const second of [0.5, 1.5, 2.5]) short.add(second, 1);
    const points = mergedPoints([long.packed(), short.packed()], 3000);
    assert.deepEqual(points.filter(([, value]) => value > 0), [[1, 2], [3, 0.5], [2001, 2]]);
  });

  test("ends where the load ended", () => {
    const late = new Timeline("max");
    late.add(50, 1);
    assert.equal(mergedPoints([late.packed()], 10).length, 10);
    assert.deepEqual(mergedPoints([], 10), []);
  });

  test("has no fall at its end: of a step that was not over only the largest value is told, unless it is the only one", () => {
    const perSecond = [500, 500, 6];
    assert.deepEqual(pointsOf(perSecond, "sum", 2.01), [[0.5, 500], [1.5, 500]]);
    assert.deepEqual(pointsOf(perSecond, "sum", 3), [[0.5, 500], [1.5, 500], [2.5, 6]]);
    assert.deepEqual(pointsOf(perSecond, "max", 2.01), [[0.5, 500], [1.5, 500], [2.5, 6]]);
    assert.deepEqual(pointsOf([200], "sum", 0.5), [[0.25, 400]]);
    const long = new Timeline("sum");
    for (let second = 0; second < 2003; second++) long.add(second, 3);
    assert.deepEqual(mergedPoints([long.packed()], 2003).at(-1), [2001, 3]);
  });
});

describe("a series", () => {
  interface Sample {
    readonly at: number;
    readonly most: number;
  }
  const series = (max: number): Series<Sample> => new Series<Sample>(max, (older, newer) => ({ at: newer.at, most: Math.max(older.most, newer.most) }));

  test("keeps all of a few samples", () => {
    const few = series(10);
    for (let at = 0; at < 10; at++) few.add({ at, most: at });
    assert.deepEqual(few.samples.map(({ at }) => at), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  test("stays small, evenly spread, with the newest sample and every peak", () => {
    const long = series(100);
    for (let at = 0; at < 100_000; at++) {
      long.add({ at, most: at === 777 ? 5 : 1 });
      assert.equal(long.samples.at(-1)?.at, at);
    }
    const { samples } = long;
    assert.ok(samples.length > 40 && samples.length <= 100, `${samples.length}`);
    const gaps = samples.slice(1, -1).map(({ at }, i) => at - (samples[i]?.at ?? 0));
    assert.ok(Math.max(...gaps) <= 4 * Math.min(...gaps), gaps.join(" "));
    assert.deepEqual(samples.filter(({ most }) => most === 5).length, 1);
  });
});
