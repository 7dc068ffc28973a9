/** Tests of the load tool's bookkeeping: it must see every fault that a daemon can make. */
import { describe, test } from "node:test";
import assert from "node:assert/strict";
import { Ledger } from "../../../src/bench/load/ledger.ts";
import type { Plan } from "../../../src/bench/load/plan.ts";

/** Changes 0 to 5 on two workspaces: 0, 2, 4 and 1, 3, 5; one each 10 ms from time 1000. */
const plan: Plan = { base: 100, total: 6, workspaces: 2, first: 0, interval: 10, startAt: 1000, measuredFrom: 2 };
const all = Float64Array.of(4, 5);

/** Delivers changes in the order given, each with a newer version, to one subscriber. */
function after(...changes: readonly number[]): Ledger {
  const ledger = new Ledger(plan, 1);
  for (const [i, n] of changes.entries()) ledger.deliver(0, plan.base + n, i + 1, 1000 + n * 10 + 3);
  return ledger;
}

describe("standstills", () => {
  test("are the longest times between two deliveries to one subscriber, by the second in which they end", () => {
    const ledger = new Ledger({ ...plan, startAt: 0 }, 2);
    for (const [i, [subscriber, n, at]] of ([[0, 0, 10], [1, 0, 15], [0, 1, 900], [1, 1, 1100], [1, 3, 1110], [0, 2, 1250]] as const).entries()) ledger.deliver(subscriber, plan.base + n, i + 1, at);
    assert.deepEqual([...ledger.standstills.perSecond.subarray(0, 3)], [890, 1085, 0]);
  });

  test("begin with the plan, and end in its last second if they are longer than a minute", () => {
    const ledger = new Ledger({ ...plan, startAt: 0 }, 1);
    ledger.deliver(0, plan.base, 1, 500_000);
    assert.equal(ledger.standstills.perSecond.at(-1), 500_000);
  });
});

describe("a ledger", () => {
  test("balances when everything came once and in order", () => {
    assert.deepEqual(after(0, 1, 2, 3, 4, 5).balance(all), { delivered: 6, coalesced: 0, repeated: 0, reordered: 0, lost: 0 });
  });

  test("counts changes that a newer one came instead of", () => {
    assert.deepEqual(after(4, 5).balance(all), { delivered: 2, coalesced: 4, repeated: 0, reordered: 0, lost: 0 });
  });

  test("counts what never came, and no newer one either", () => {
    assert.equal(after(0, 1, 2).balance(all).lost, 3);
    assert.equal(after().balance(all).lost, 6);
  });

  test("does not ask for changes that were never written", () => {
    assert.equal(after(0, 1).balance(Float64Array.of(0, 1)).lost, 0);
    assert.equal(after().balance(Float64Array.of(-1, -1)).lost, 0);
  });

  test("counts an older change after a newer one, and the same one twice", () => {
    const { reordered, repeated } = after(0, 2, 0, 1, 1).balance(all);
    assert.deepEqual({ reordered, repeated }, { reordered: 1, repeated: 1 });
  });

  test("counts a newer change whose version is not newer", () => {
    const ledger = new Ledger(plan, 1);
    ledger.deliver(0, 100, 7, 1000);
    ledger.deliver(0, 102, 7, 1001);
    assert.equal(ledger.balance(all).reordered, 1);
  });

  test("keeps subscribers apart", () => {
    const ledger = new Ledger(plan, 2);
    ledger.deliver(0, 104, 1, 1050);
    ledger.deliver(1, 104, 1, 1060);
    const { delivered, repeated } = ledger.balance(all);
    assert.deepEqual({ delivered, repeated }, { delivered: 2, repeated: 0 });
    assert.deepEqual([ledger.reached[4], ledger.lastAt[4]], [2, 1060]);
  });

  test("without detail keeps nothing for each change, and the same sums", () => {
    const long: Plan = { ...plan, total: 1_000_000, interval: 1 };
    const [sums, each] = [new Ledger(long, 1, "sums"), new Ledger(long, 1)];
    for (const ledger of [sums, each]) for (let n = 0; n < 10_000; n++) if (n !== 4999) ledger.deliver(0, long.base + n, n + 1, long.startAt + n + 2);
    assert.deepEqual([sums.lastAt.length, sums.reached.length], [0, 0]);
    const written = Float64Array.of(9998, 9999);
    assert.deepEqual(sums.balance(written), { delivered: 9999, coalesced: 1, repeated: 0, reordered: 0, lost: 0 });
    assert.deepEqual(sums.balance(written), each.balance(written));
    assert.equal(sums.packedDelays(), each.packedDelays());
    assert.deepEqual(sums.deliveredPerSecond, each.deliveredPerSecond);
  });

  test("ignores the stamps of other plans", () => {
    const ledger = new Ledger(plan, 1);
    ledger.deliver(0, 99, 1, 1000);
    ledger.deliver(0, 106, 1, 1000);
    assert.equal(ledger.balance(all).delivered, 0);
  });

  test("measures from when a change was due, without the warm-up", () => {
    const ledger = after(0, 1, 2, 3);
    assert.equal(ledger.delays.totalCount, 2);
    assert.equal(ledger.delays.maxValue, 3000);
  });

  test("a coalesced change was late until the newer one came", () => {
    const ledger = new Ledger(plan, 1);
    ledger.deliver(0, 104, 1, 1100);
    assert.equal(ledger.delays.totalCount, 2);
    assert.ok(ledger.delays.maxValue >= 80_000 && ledger.delays.maxValue < 80_200, `${ledger.delays.maxValue}`);
  });
});
