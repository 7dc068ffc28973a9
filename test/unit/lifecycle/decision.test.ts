/** The decision about a workspace, as far as the time makes it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Action } from "../../../src/domain/actions.ts";
import { wsman } from "../../../src/gen/proto.js";
import { decideAt, isTimed, nextDue, type Known } from "../../../src/main/lifecycle/decision.ts";
import { Reckoning, type Elapsed } from "../../../src/main/lifecycle/elapsed.ts";
import { workspaceResult } from "../../support/results.ts";

const minute = 60_000;
const start = 1_700_000_000_000;
const timeouts = { startup: 60 * minute, initialization: 30 * minute, regularWorkspace: 30 * minute, maxLifetime: 2160 * minute, headlessWorkspace: 60 * minute, afterClose: 2 * minute, contentFinalization: 55 * minute, stopping: 60 * minute, interrupted: 5 * minute };
const { PENDING, CREATING, INITIALIZING, RUNNING, INTERRUPTED, STOPPING, STOPPED, UNKNOWN } = wsman.WorkspacePhase;
const others: readonly Action[] = [{ action: "addFinalizer" }];

const times = fc.option(fc.integer({ min: start - 10 * minute, max: start + 3000 * minute }), { nil: undefined });
const known: fc.Arbitrary<Known> = fc.record({
  facts: fc.record({
    phase: fc.constantFrom(PENDING, CREATING, INITIALIZING, RUNNING, INTERRUPTED, STOPPING, STOPPED, UNKNOWN),
    createdAt: fc.constantFrom(0, start), lastActivity: times, deletedAt: times, disposalSince: times,
    headless: fc.boolean(), closed: fc.boolean(), everActive: fc.boolean(), backupComplete: fc.boolean(),
    customTimeout: fc.constantFrom("", "5m", "never", "-1h"),
    timedOut: fc.constantFrom("", "workspace timed out after backup (01h00m) took longer than 00h55m", "workspace timed out after maximum lifetime (36h00m) took longer than 36h00m"),
  }).map((facts) => workspaceResult(facts).result.facts),
  actions: fc.constantFrom([], others),
  stopped: fc.boolean(), vacant: fc.boolean(),
});

/** As by a leader who has led since before, or since some time of the workspace's life. */
function elapsedOf({ facts }: Known, since: number, now: number): Elapsed {
  const reckoning = new Reckoning({ unwrittenMs: 5 * minute, holdMs: 3 * minute, finalizationMs: timeouts.contentFinalization, clock: { now: () => now } });
  reckoning.begin(since);
  return reckoning.of({ facts, activeAt: undefined });
}

const since = fc.constantFrom(0, start - minute, start + 10 * minute, start + 100 * minute);

test("the time asks for a step from when it is due, not a millisecond before, and what else is to be done stays as it is", () => {
  fc.assert(fc.property(known, since, (of, ledSince) => {
    const elapsed = elapsedOf(of, ledSince, start + 4000 * minute);
    const due = nextDue(of, elapsed, timeouts);
    const at = (now: number) => decideAt(of, elapsed, timeouts, now);
    const last = start + 1_000_000 * minute;
    assert.deepEqual(at(due === undefined ? last : due - 1), of.actions);
    if (due === undefined) return;
    const decided = at(due);
    assert.deepEqual(decided.slice(0, -1), of.actions);
    const step = decided.at(-1);
    assert.ok(step && isTimed(step), JSON.stringify(decided));
    assert.equal(step.action, of.facts.timedOut === "" ? "timeOut" : "giveUpBackup");
    assert.match(step.text, step.action === "timeOut" ? /^workspace timed out after / : /^workspace timed out after backup /);
  }), { numRuns: 2000 });
});

test("a workspace that has ended, or whose end is written down, is not timed out", () => {
  fc.assert(fc.property(known, since, (of, ledSince) => {
    const isOver = of.stopped || of.vacant || [STOPPED, UNKNOWN].includes(of.facts.phase) || (of.facts.timedOut !== "" && (of.facts.phase !== STOPPING || of.facts.deletedAt === undefined || of.facts.backupComplete || of.facts.timedOut.includes("backup")));
    if (isOver) assert.equal(nextDue(of, elapsedOf(of, ledSince, start), timeouts), undefined);
  }), { numRuns: 2000 });
});

test("activity never makes an end come sooner, whoever leads since when", () => {
  fc.assert(fc.property(known, since, fc.nat(100 * minute), (of, ledSince, later) => {
    if (of.facts.lastActivity === undefined) return;
    const moreActive = { ...of, facts: { ...of.facts, lastActivity: of.facts.lastActivity + later } };
    const dueOfThat = (one: Known): number => nextDue(one, elapsedOf(one, ledSince, start), timeouts) ?? Number.POSITIVE_INFINITY;
    assert.ok(dueOfThat(moreActive) >= dueOfThat(of));
  }), { numRuns: 2000 });
});

test("a workspace whose time is over times out; once it has, only a backup is given up, if it is still being made and was not given up before", () => {
  const lifetime = "workspace timed out after maximum lifetime (36h00m) took longer than 36h00m";
  const ending = { phase: STOPPING, createdAt: start, deletedAt: start + 1, timedOut: lifetime };
  const now = start + 3000 * minute;
  const step = (changes: Parameters<typeof workspaceResult>[0], more: Partial<Known> = {}): string | undefined => {
    const of: Known = { facts: workspaceResult(changes).result.facts, actions: [], stopped: false, vacant: false, ...more };
    return decideAt(of, elapsedOf(of, 0, now), timeouts, now)[0]?.action;
  };
  for (const phase of [PENDING, CREATING, INITIALIZING, RUNNING, INTERRUPTED]) {
    const running = { phase, createdAt: start };
    assert.equal(step(running), "timeOut", wsman.WorkspacePhase[phase]);
    assert.equal(step({ ...running, timedOut: lifetime }), undefined, "it is written once");
    assert.equal(step({ ...running, deletedAt: start + 1, timedOut: lifetime }), undefined, "it does not end yet");
    assert.deepEqual([step(running, { stopped: true }), step(running, { vacant: true })], [undefined, undefined]);
  }
  assert.equal(step(ending), "giveUpBackup");
  assert.equal(step({ ...ending, timedOut: "" }), "timeOut");
  assert.equal(step({ ...ending, timedOut: "", backupComplete: true }), "timeOut", "whose pod does not go");
  for (const changes of [{ deletedAt: undefined }, { backupComplete: true }, { timedOut: "workspace timed out after backup (01h00m) took longer than 00h55m" }]) {
    assert.equal(step({ ...ending, ...changes }), undefined, JSON.stringify(changes));
  }
  assert.deepEqual([step(ending, { stopped: true }), step(ending, { vacant: true })], [undefined, undefined]);
});
