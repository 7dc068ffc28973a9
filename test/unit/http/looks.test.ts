/** How busy the process was lately: shares since a look some seconds ago, delays only while somebody looks. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { BusyLately, DelayWhileLooking } from "../../../src/main/http/looks.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { until } from "../../support/until.ts";

test("the workers' share is of what they could have worked since a look that was seconds ago at least", () => {
  const clock = new FakeClock();
  let micros = 0;
  const busy = new BusyLately(clock, { count: 2, busyMicros: () => micros });
  clock.advance(10_000);
  micros += 4_000_000;
  const first = busy.look();
  assert.equal(first.seconds, 10);
  assert.equal(first.workers, 0.2);
  clock.advance(5_000);
  micros += 10_000_000;
  assert.deepEqual([busy.look().seconds, busy.look().workers], [5, 1]);
  clock.advance(1_000);
  const soon = busy.look();
  assert.deepEqual([soon.seconds, soon.workers], [6, 10 / 12], "a second says little: it is told of together with the time before");
  assert.equal(new BusyLately(clock, { count: 0, busyMicros: () => 0 }).look().workers, undefined);
});

test("the event loop's share and the processor time are this process'", async () => {
  await new Promise(setImmediate);
  const busy = new BusyLately({ monotonic: () => performance.now() }, { count: 1, busyMicros: () => 0 });
  const end = performance.now() + 100;
  while (performance.now() < end);
  const { eventLoop, cpu, seconds } = busy.look();
  assert.ok(eventLoop > 0.9 && eventLoop <= 1, `${eventLoop}`);
  assert.ok(cpu > 0 && cpu < 64, `${cpu}`);
  assert.ok(seconds >= 0.1);
});

test("delays are measured from the first look on, and not any more when nobody has looked for a minute", async () => {
  const clock = new FakeClock();
  const delay = new DelayWhileLooking(clock);
  assert.equal(delay.look(), undefined, "nothing was measured before");
  await until("something was measured", () => delay.look() !== undefined);
  const end = performance.now() + 120;
  while (performance.now() < end);
  clock.advance(2_000);
  await until("the stall is told", () => (delay.look()?.max ?? 0) > 80);
  const { seconds = 0, median = 0, p99 = 0, max = 0 } = delay.look() ?? {};
  assert.equal(seconds, 2);
  assert.ok(median >= 0 && median <= p99 && p99 <= max);
  clock.advance(60_000);
  assert.equal(delay.look(), undefined, "measuring begins anew");
  delay.close();
});

test("what was long ago is not told for ever where somebody always looks", async () => {
  const clock = new FakeClock();
  const delay = new DelayWhileLooking(clock);
  delay.look();
  await until("something was measured", () => delay.look() !== undefined);
  for (let i = 0; i < 3; i++) {
    clock.advance(30_000);
    delay.look();
  }
  await until("something was measured since", () => delay.look() !== undefined);
  assert.ok((delay.look()?.seconds ?? 0) <= 60);
  delay.close();
});
