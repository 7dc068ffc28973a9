/** The agenda of a simulation: what is due when, and time that is left out. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Agenda } from "../../support/simulation/agenda.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

function setup(): { readonly clock: VirtualClock; readonly agenda: Agenda; readonly done: string[]; readonly add: (at: number, what: string) => void } {
  const clock = new VirtualClock();
  const agenda = new Agenda(clock);
  const done: string[] = [];
  return { clock, agenda, done, add: (at, what) => agenda.add(at, () => done.push(`${what} at ${agenda.now}`)) };
}

test("items come in the order of their time, then of their making", () => {
  const { clock, done, add } = setup();
  for (const [at, what] of [[50, "b"], [10, "a"], [50, "c"]] as const) add(at, what);
  clock.advance(60);
  assert.deepEqual(done, ["a at 10", "b at 50", "c at 50"]);
});

test("time that is left out brings what follows nearer, and moves no clock", () => {
  const { clock, agenda, done, add } = setup();
  for (const at of [10, 1_000]) add(at, "it");
  clock.advance(100);
  agenda.leaveOutUntil(990);
  assert.deepEqual([clock.monotonic(), agenda.now], [100, 990]);
  clock.advance(10);
  assert.deepEqual(done, ["it at 10", "it at 1000"]);
});

test("nothing is left out that something is due in, nor time that has passed", () => {
  const { clock, agenda, add } = setup();
  add(500, "it");
  clock.advance(100);
  agenda.leaveOutUntil(501);
  agenda.leaveOutUntil(50);
  assert.equal(agenda.now, 100);
});
