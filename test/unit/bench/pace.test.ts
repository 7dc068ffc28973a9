/** Tests of when calls are made, and from when their delays count: on a clock that the test moves. */
import assert from "node:assert/strict";
import { setImmediate as turn } from "node:timers/promises";
import { describe, test } from "node:test";
import type { CallEnd } from "../../../src/bench/load/grpc-unary.ts";
import { drive } from "../../../src/bench/load/pace.ts";
import type { Drive, Driven, Pace } from "../../../src/bench/load/pace.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

const good: CallEnd = { ok: true, why: "" };

/** Calls as they were made. */
interface Made {
  readonly n: number;
  readonly slot: number;
  readonly at: number;
}

/** Runs a pace to its end, on a server that takes as long for a call as it is told. */
async function run(pace: Pace, answer: (n: number) => { readonly ms: number; readonly end?: CallEnd }, options: Partial<Pick<Drive, "total" | "stopped">> = {}): Promise<{ readonly made: readonly Made[]; readonly driven: Driven; readonly most: number }> {
  const time = new VirtualClock();
  const clock = { now: () => time.monotonic(), sleepUntil: (at: number) => new Promise<void>((resolve) => void time.timer(at - time.monotonic(), resolve)) };
  const made: Made[] = [];
  let underWay = 0;
  let most = 0;
  const make = async (n: number, slot: number): Promise<CallEnd> => {
    made.push({ n, slot, at: clock.now() });
    most = Math.max(most, ++underWay);
    const { ms, end = good } = answer(n);
    await clock.sleepUntil(clock.now() + ms);
    underWay--;
    return end;
  };
  const over = new AbortController();
  const driving = drive({ pace, total: Number.POSITIVE_INFINITY, stopped: () => false, clock, make, ...options }).finally(() => over.abort());
  while (!over.signal.aborted) {
    await turn();
    time.advance(1);
  }
  return { made, driven: await driving, most };
}

test("in a loop one call is made, however late it is begun", async () => {
  const { driven } = await run({ kind: "loop", callers: 3, seconds: 0 }, () => ({ ms: 10 }));
  assert.deepEqual([driven.sent, driven.failed, driven.delays.totalCount], [1, 0, 1]);
});

describe("at a rate", () => {
  test("calls are made when they are due, whatever becomes of those before", async () => {
    const { made, driven } = await run({ kind: "rate", perSecond: 100, startAt: 50, seconds: 0.05 }, () => ({ ms: 500 }));
    assert.deepEqual(made.map(({ n, at }) => [n, at]), [[0, 50], [1, 60], [2, 70], [3, 80], [4, 90]]);
    assert.deepEqual([driven.sent, driven.failed, driven.from], [5, 0, 50]);
    assert.ok(Math.abs(driven.delays.mean / 1000 - 500) < 2, `${driven.delays.mean}`);
  });

  test("a call that goes out late counts from when it was due", async () => {
    // The begin is long over: all are made now.
    const { driven } = await run({ kind: "rate", perSecond: 100, startAt: -1000, seconds: 0.05 }, () => ({ ms: 10 }));
    assert.ok(Math.abs(driven.late.maxValue / 1000 - 1000) < 2, `${driven.late.maxValue}`);
    assert.ok(driven.delays.minNonZeroValue / 1000 > 960, `${driven.delays.minNonZeroValue}`);
  });

  test("no more than so many are under way, and those that wait for that are late", async () => {
    const { driven, most } = await run({ kind: "rate", perSecond: 100_000, startAt: 0, seconds: 0.05 }, () => ({ ms: 100 }));
    assert.deepEqual([driven.sent, most], [5000, 4096]);
    assert.ok(driven.late.maxValue / 1000 > 40, `${driven.late.maxValue}`);
  });

  test("each of a number of calls is made once, also if there is time for more", async () => {
    const { made } = await run({ kind: "rate", perSecond: 100, startAt: 0, seconds: 1 }, () => ({ ms: 1 }), { total: 3 });
    assert.deepEqual(made.map(({ n }) => n), [0, 1, 2]);
  });
});

describe("in a closed loop", () => {
  test("each caller makes its next call when the one before is answered, until the time is over", async () => {
    const { made, driven, most } = await run({ kind: "loop", callers: 2, seconds: 0.1 }, () => ({ ms: 30 }));
    assert.equal(most, 2);
    assert.deepEqual(made.map(({ slot }) => slot), [0, 1, 0, 1, 0, 1, 0, 1]);
    assert.deepEqual([made.at(-1)?.at, driven.sent, driven.to], [90, 8, 120]);
  });

  test("a server that refuses is asked again only after a while, and the first reason is told", async () => {
    const { driven } = await run({ kind: "loop", callers: 1, seconds: 0.1 }, (n) => ({ ms: 0, end: { ok: false, why: `no ${n}` } }));
    assert.ok(driven.sent <= 11, `${driven.sent}`);
    assert.deepEqual([driven.failed, driven.why, driven.delays.totalCount], [driven.sent, "no 0", 0]);
  });

  test("no call is made after the stop", async () => {
    let answered = 0;
    const { driven } = await run({ kind: "loop", callers: 3, seconds: 10 }, () => {
      answered++;
      return { ms: 10 };
    }, { stopped: () => answered >= 3 });
    assert.equal(driven.sent, 3);
  });
});

test("all at once are made at the same moment, and their delays count from it", async () => {
  const { made, driven, most } = await run({ kind: "once" }, (n) => ({ ms: n }), { total: 20 });
  assert.deepEqual([new Set(made.map(({ at }) => at)).size, most, driven.sent, driven.to], [1, 20, 20, 19]);
});

test("what is not bounded can not be made at once", async () => {
  await assert.rejects(drive({ pace: { kind: "once" }, total: Number.POSITIVE_INFINITY, stopped: () => false, clock: { now: () => 0, sleepUntil: () => Promise.resolve() }, make: () => Promise.resolve(good) }), RangeError);
});

describe("a call that can not be made", () => {
  for (const pace of [{ kind: "rate", perSecond: 1000, startAt: 0, seconds: 10 }, { kind: "loop", callers: 2, seconds: 10 }, { kind: "once" }] as const) {
    test(`ends it, and is told: ${pace.kind}`, async () => {
      const time = new VirtualClock();
      const clock = { now: () => time.monotonic(), sleepUntil: (at: number) => new Promise<void>((resolve) => void time.timer(at - time.monotonic(), resolve)) };
      let made = 0;
      const make = async (n: number): Promise<CallEnd> => {
        made++;
        await clock.sleepUntil(clock.now() + 1);
        if (n === 2) throw new RangeError("a request of 70000 bytes");
        return good;
      };
      const over = new AbortController();
      const driving = drive({ pace, total: 100, stopped: () => false, clock, make }).finally(() => over.abort());
      driving.catch(() => {});
      while (!over.signal.aborted) {
        await turn();
        time.advance(1);
      }
      await assert.rejects(driving, /70000 bytes/);
      const atEnd = made;
      for (let i = 0; i < 20; i++) {
        await turn();
        time.advance(1);
      }
      assert.ok(made === atEnd && (pace.kind === "once" || made < 10), `${made}, ${atEnd} when it was told`);
    });
  }
});
