/** Tests of waiting with a clock: for work, and no longer than is said. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { atMost } from "../../../src/domain/clock.ts";
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
