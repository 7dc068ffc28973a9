/** Rounds of work: gathered, bounded, and none held up by another. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Rounds } from "../../../src/main/lifecycle/rounds.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { until } from "../../support/until.ts";

/** Rounds whose pieces end when they are let go. */
function setup(): { readonly rounds: Rounds<string>; readonly clock: FakeClock; readonly begun: string[]; readonly letGo: () => void } {
  const clock = new FakeClock();
  const begun: string[] = [];
  let waiting: (() => void)[] = [];
  const rounds = new Rounds<string>({ clock, gatherMs: 1000, atOnce: 2, work: (item) => new Promise<void>((resolve) => {
    begun.push(item);
    waiting.push(resolve);
  }) });
  return {
    rounds, clock, begun,
    letGo() {
      const now = waiting;
      waiting = [];
      for (const go of now) go();
    },
  };
}

test("what is given within the time is begun together, each once, so many at once, and what is under way is not begun beside itself", async () => {
  const { rounds, clock, begun, letGo } = setup();
  for (const item of ["a", "b", "a", "gone", "c"]) rounds.add(item);
  rounds.remove("gone");
  clock.advance(999);
  assert.deepEqual(begun, []);
  clock.advance(1);
  assert.deepEqual(begun, ["a", "b"]);
  rounds.add("a");
  rounds.add("a");
  clock.advance(5000);
  assert.deepEqual([begun.length, rounds.waiting], [2, 2], "no place is free");
  letGo();
  await until("the rest has begun", () => begun.length === 4);
  assert.deepEqual(begun, ["a", "b", "c", "a"]);
  letGo();
});

test("a piece that takes long holds up nothing but what is added of the same", async () => {
  const clock = new FakeClock();
  const begun: string[] = [];
  const slow = Promise.withResolvers<void>();
  const rounds = new Rounds<string>({ clock, gatherMs: 1000, atOnce: 2, work: (item) => {
    begun.push(item);
    return item === "slow" ? slow.promise : Promise.resolve();
  } });
  rounds.add("slow");
  clock.advance(1000);
  for (const item of ["slow", "a", "b", "c"]) rounds.add(item);
  clock.advance(1000);
  await until("the next round is done", () => begun.length === 4);
  assert.deepEqual([begun, rounds.waiting], [["slow", "a", "b", "c"], 1]);
  slow.resolve();
  await until("the slow one is done again", () => begun.length === 5);
});

test("what is removed while it waits for its turn is not done", async () => {
  const { rounds, clock, begun, letGo } = setup();
  for (const item of ["a", "b", "gone", "c"]) rounds.add(item);
  clock.advance(1000);
  rounds.remove("gone");
  letGo();
  await until("the last has begun", () => begun.includes("c"));
  assert.deepEqual(begun, ["a", "b", "c"]);
  letGo();
});

test("at the end nothing more begins, and what is under way is waited for", async () => {
  const { rounds, clock, begun, letGo } = setup();
  for (const item of ["a", "b", "c"]) rounds.add(item);
  clock.advance(1000);
  let over = false;
  const ended = rounds.end().then(() => {
    over = true;
  });
  rounds.add("d");
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(over, false);
  letGo();
  await ended;
  clock.advance(5000);
  assert.deepEqual(begun, ["a", "b"]);
});
