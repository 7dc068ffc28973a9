/** Rounds of work: gathered, bounded, one after the other. */
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

test("what is given within the time is done together, each once, so many at once, and what comes meanwhile in the next round", async () => {
  const { rounds, clock, begun, letGo } = setup();
  for (const item of ["a", "b", "a", "gone", "c"]) rounds.add(item);
  rounds.remove("gone");
  clock.advance(999);
  assert.deepEqual(begun, []);
  clock.advance(1);
  assert.deepEqual(begun, ["a", "b"]);
  rounds.add("a");
  clock.advance(5000);
  assert.deepEqual([begun.length, rounds.waiting], [2, 1], "this round is not over");
  letGo();
  await until("the rest of the round has begun", () => begun.length === 3);
  letGo();
  // The next one is planned a few turns after the last piece has ended.
  await until("the next round has begun", () => {
    clock.advance(1000);
    return begun.length === 4;
  });
  assert.deepEqual(begun, ["a", "b", "c", "a"]);
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
