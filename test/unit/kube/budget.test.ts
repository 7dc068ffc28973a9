/** The budget of requests to the API server. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Budget, type Priority } from "../../../src/main/kube/budget.ts";
import { KubeError } from "../../../src/main/kube/errors.ts";
import { FakeClock } from "../../support/fake-clock.ts";

const never = new AbortController().signal;
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function setup(options: { qps?: number; burst?: number; maxWaiting?: number } = {}): { budget: Budget; clock: FakeClock; went: string[]; take: (priority: Priority, name: string, signal?: AbortSignal) => void } {
  const clock = new FakeClock();
  const went: string[] = [];
  const budget = new Budget({ qps: 10, burst: 2, clock, ...options });
  const take = (priority: Priority, name: string, signal = never): void => void budget.take(priority, signal).then(() => went.push(name), (error: unknown) => went.push(error instanceof KubeError ? `${name} ${error.reason}` : "?"));
  return { budget, clock, went, take };
}

test("a burst goes at once, the rest at the rate", async () => {
  const { clock, went, take } = setup();
  for (let i = 0; i < 5; i++) take("user", String(i));
  await settle();
  assert.deepEqual(went, ["0", "1"]);
  for (let i = 2; i < 5; i++) {
    clock.advance(100);
    await settle();
    assert.equal(went.length, i + 1);
  }
  clock.advance(10_000);
  for (let i = 0; i < 3; i++) take("user", "later");
  await settle();
  assert.equal(went.length, 7, "no more than the burst is saved up");
});

test("users go before finalization, that before housekeeping, and that before Events, each in its order", async () => {
  const { clock, went, take } = setup({ burst: 1 });
  for (const [priority, name] of [["housekeeping", "first"], ["events", "e1"], ["housekeeping", "h1"], ["finalization", "f1"], ["user", "u1"], ["housekeeping", "h2"], ["user", "u2"]] as const) take(priority, name);
  await settle();
  for (let i = 0; i < 7; i++) {
    clock.advance(100);
    await settle();
  }
  assert.deepEqual(went, ["first", "u1", "u2", "f1", "h1", "h2", "e1"]);
});

test("who gives up waits no more and takes nothing, and too many are refused", async () => {
  const { budget, clock, went, take } = setup({ burst: 1, maxWaiting: 2 });
  const giveUp = new AbortController();
  take("user", "a");
  take("user", "b", giveUp.signal);
  take("user", "c");
  take("user", "d");
  await settle();
  assert.deepEqual(went, ["a", "d Busy"]);
  giveUp.abort();
  take("user", "e", AbortSignal.abort());
  await settle();
  assert.deepEqual(went.toSorted(), ["a", "b Aborted", "d Busy", "e Aborted"]);
  assert.equal(budget.waiting("user"), 1);
  clock.advance(100);
  await settle();
  assert.equal(went.at(-1), "c");
});
