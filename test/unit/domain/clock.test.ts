/** Tests of waiting with a clock: for work, and no longer than is said. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { atMost, Countdown, deadline, watchdog } from "../../../src/domain/clock.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

test("work that is done in time is waited for, and leaves no timer", async () => {
  const clock = new VirtualClock();
  const { promise, resolve } = Promise.withResolvers<void>();
  const waiting = atMost(clock, 1000, promise);
  assert.equal(clock.pending, 1);
  resolve();
  await waiting;
  assert.equal(clock.pending, 0);
});

test("work that takes too long is waited for no longer, and its failure is no one's", async () => {
  const clock = new VirtualClock();
  const { promise, reject } = Promise.withResolvers<void>();
  const waiting = atMost(clock, 1000, promise);
  clock.advance(1000);
  await waiting;
  reject(new Error("too late"));
  await assert.rejects(promise, /too late/);
});

test("work that fails in time is told, and leaves no timer", async () => {
  const clock = new VirtualClock();
  await assert.rejects(atMost(clock, 1000, Promise.reject(new Error("no"))), /^Error: no$/);
  assert.equal(clock.pending, 0);
});

test("a deadline aborts in its time, or with its parent and for its reason; once it is taken back it does neither", () => {
  const clock = new VirtualClock();
  const parent = new AbortController();
  const [late, ended, done] = [deadline(clock, 1000, new AbortController().signal), deadline(clock, 2000, parent.signal), deadline(clock, 2000, parent.signal)];
  clock.advance(1000);
  assert.match(String(late.signal.reason), /not done within 1000 ms/);
  assert.equal(ended.signal.aborted, false);
  done.cancel();
  const reason = new Error("over");
  parent.abort(reason);
  assert.equal(ended.signal.reason, reason);
  ended.cancel();
  clock.advance(5000);
  assert.equal(done.signal.aborted, false);
  assert.equal(deadline(clock, 1000, parent.signal).signal.reason, reason);
});

test("a countdown has all of its time until it is begun, and none once it is over", () => {
  const clock = new VirtualClock();
  const countdown = new Countdown(clock, 1000);
  clock.advance(5000);
  assert.equal(countdown.leftMs, 1000);
  countdown.begin();
  clock.advance(400);
  countdown.begin();
  assert.equal(countdown.leftMs, 600);
  clock.advance(5000);
  assert.equal(countdown.leftMs, 0);
});

test("a watchdog barks in its time, once, and not when it is taken back", () => {
  const clock = new VirtualClock();
  let barks = 0;
  watchdog(clock, 5000, () => barks++);
  const cancel = watchdog(clock, 5000, () => assert.fail("it was taken back"));
  clock.advance(4999);
  assert.equal(barks, 0);
  cancel();
  clock.advance(1);
  clock.advance(60_000);
  assert.deepEqual([barks, clock.pending], [1, 0]);
});

test("time for which the thread stood still does not count for a watchdog, until that happens again and again", () => {
  const clock = new FakeClock();
  let barks = 0;
  watchdog(clock, 5000, () => barks++);
  clock.advance(4500);
  clock.stall(100_000);
  assert.equal(barks, 0);
  clock.advance(999);
  assert.equal(barks, 0);
  clock.advance(1);
  assert.equal(barks, 1);
  let late = 0;
  watchdog(clock, 5000, () => barks++);
  for (let i = 0; i < 100; i++) {
    if (barks === 1) late++;
    clock.stall(2000);
  }
  assert.equal(late, 15);
});
