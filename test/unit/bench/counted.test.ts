/** Tests of throughput over time: counts that are looked at become rates, and nothing is drawn of times in which nothing was counted. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Counter, ratePoints } from "../../../src/bench/load/counted.ts";
import type { Counted } from "../../../src/bench/load/counted.ts";

/** Looks at the count so many milliseconds after 0. */
function counted(...looks: readonly (readonly [at: number, count: number])[]): Counted {
  return looks.map(([at, count]) => ({ at, count }));
}

test("a counter looks at its beginning, whenever it is told to, and at its end", () => {
  let [now, count] = [1000, 5];
  const counter = new Counter(() => count, () => now);
  [now, count] = [1100, 7];
  counter.look();
  [now, count] = [1300, 20];
  assert.deepEqual(counter.stop(), [{ at: 1000, count: 5 }, { at: 1100, count: 7 }, { at: 1300, count: 20 }]);
});

test("a counter keeps a bounded number of looks, the first and the last among them", () => {
  let now = 0;
  const counter = new Counter(() => now / 10, () => now);
  for (let i = 0; i < 20_000; i++) {
    now += 250;
    counter.look();
  }
  const looks = counter.stop();
  assert.ok(looks.length <= 2000, `${looks.length}`);
  assert.deepEqual(looks.at(-1), { at: 5_000_000, count: 500_000 });
  // Whatever was left out, what was counted is all there.
  const rates = ratePoints([[looks]], 0).slice(1, -1);
  assert.ok(rates.length <= 502 && rates.every(([, rate]) => Math.abs(rate - 100) < 1e-6));
});

test("rates are evenly spaced means, and the stretch has upright edges from and to 0", () => {
  assert.deepEqual(ratePoints([[counted([1000, 0], [1250, 10], [1500, 40])]], 500), [[0.5, 0], [0.50025, 40], [0.625, 40], [0.875, 120], [0.99975, 120], [1, 0]]);
});

test("a look that came late does not look like a standstill and a peak", () => {
  assert.deepEqual(ratePoints([[counted([0, 0], [250, 25], [1000, 100])]], 0).map(([, rate]) => Math.round(rate)), [0, 100, 100, 100, 100, 100, 100, 0]);
});

test("what several processes count at once is added up, wherever they looked", () => {
  assert.deepEqual(ratePoints([[counted([0, 0], [500, 50]), counted([0, 100], [250, 125], [500, 150])]], 0), [[0, 0], [0.00025, 200], [0.125, 200], [0.375, 200], [0.49975, 200], [0.5, 0]]);
});

test("between two stretches there is nothing, and stretches come in the order of their times", () => {
  const late = [counted([2000, 7], [2250, 32])];
  const early = [counted([0, 0], [250, 10])];
  assert.deepEqual(ratePoints([late, early], 0), [[0, 0], [0.00025, 40], [0.125, 40], [0.24975, 40], [0.25, 0], [2, 0], [2.00025, 100], [2.125, 100], [2.24975, 100], [2.25, 0]]);
});

test("of what was looked at once, or never, there is no rate", () => {
  assert.deepEqual(ratePoints([[counted([0, 5])], [counted()], []], 0), []);
});
