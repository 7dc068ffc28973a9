/** Times from before this replica led, and from before the clock jumped. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { WorkspaceFacts } from "../../../src/domain/messages.ts";
import { dueOf, Reckoning } from "../../../src/main/lifecycle/elapsed.ts";
import { newRecord } from "../../../src/main/state/records.ts";
import type { WorkspaceRecord } from "../../../src/main/state/registry.ts";
import { workspaceResult } from "../../support/results.ts";

const minute = 60_000;
const start = 1_700_000_000_000;
const timeouts = { startup: 60 * minute, initialization: 30 * minute, regularWorkspace: 30 * minute, maxLifetime: 2160 * minute, headlessWorkspace: 60 * minute, afterClose: 2 * minute, contentFinalization: 55 * minute, stopping: 60 * minute, interrupted: 5 * minute };

function record(changes: Partial<WorkspaceFacts>, activeAt?: number): WorkspaceRecord {
  return { ...newRecord(workspaceResult({ createdAt: start, ...changes }).result, 0), activeAt };
}

function ledSince(since: number, holdMs = 0, now = start + 1000 * minute): Reckoning {
  const reckoning = new Reckoning({ unwrittenMs: 5 * minute, holdMs, finalizationMs: timeouts.contentFinalization, clock: { now: () => now } });
  reckoning.begin(since);
  return reckoning;
}

function dueBy(reckoning: Reckoning, of: WorkspaceRecord): number {
  return dueOf(reckoning.of(of), timeouts) ?? 0;
}

test("activity before our time counts as late as it may have been, but not later than our beginning", () => {
  const since = start + 100 * minute;
  const reckoning = ledSince(since);
  assert.equal(reckoning.of(record({ lastActivity: since - 60 * minute })).lastActivity, since - 55 * minute);
  assert.equal(reckoning.of(record({ lastActivity: since - minute })).lastActivity, since);
  assert.equal(reckoning.of(record({})).lastActivity, since);
  assert.equal(reckoning.of(record({ lastActivity: since + minute })).lastActivity, since + minute);
  assert.equal(reckoning.of(record({ lastActivity: since - minute }, since + 2 * minute)).lastActivity, since + 2 * minute);
});

test("of a workspace that began under us, what we know is all there is", () => {
  const reckoning = ledSince(start - minute);
  assert.equal(reckoning.of(record({})).lastActivity, undefined);
  assert.equal(reckoning.of(record({ lastActivity: start + minute })).lastActivity, start + minute);
});

test("a backup that nobody could make while nobody led has its whole time from our beginning", () => {
  const since = start + 100 * minute;
  const reckoning = ledSince(since);
  assert.equal(reckoning.of(record({ deletedAt: since - 90 * minute })).facts.deletedAt, since);
  assert.equal(reckoning.of(record({ deletedAt: since + minute })).facts.deletedAt, since + minute);
  assert.equal(reckoning.of(record({ deletedAt: since - 90 * minute, backupComplete: true })).facts.deletedAt, since - 90 * minute);
});

test("a backup that was begun has its time from then, whoever leads, but time for one more attempt in any case", () => {
  const [began, limit] = [start + 100 * minute, timeouts.contentFinalization];
  const of = { deletedAt: start + 99 * minute, disposalSince: began };
  for (const since of [start, began + 20 * minute, began + 54 * minute]) assert.equal(ledSince(since).of(record(of)).facts.deletedAt, began);
  const late = began + 300 * minute;
  assert.equal((ledSince(late).of(record(of)).facts.deletedAt ?? 0) + limit, late + minute);
});

test("a beginning that was noted by a wrong clock neither takes a backup's time away nor gives it more", () => {
  const [deletedAt, now] = [start + 100 * minute, start + 110 * minute];
  for (const [wrongBy, from] of [[-50 * minute, deletedAt], [200 * minute, deletedAt], [5 * minute, deletedAt + 5 * minute]] as const) {
    assert.equal(ledSince(start, 0, now).of(record({ deletedAt, disposalSince: deletedAt + wrongBy })).facts.deletedAt, from, `${wrongBy / minute} min`);
  }
  assert.equal(ledSince(start, 0, deletedAt - minute).of(record({ deletedAt, disposalSince: start })).facts.deletedAt, deletedAt - minute, "our clock may be the slow one");
});

test("after the clock has jumped ahead each workspace has as much time left as before; what begins then is not touched", () => {
  const reckoning = ledSince(start - minute);
  const one = record({ lastActivity: start + 10 * minute });
  const due = (of: WorkspaceRecord): number => dueBy(reckoning, of);
  const before = due(one);
  const [jump, now] = [48 * 60 * minute, start + 20 * minute + 48 * 60 * minute];
  reckoning.jumped(now, jump);
  assert.equal(due(one) - now, before - (now - jump));
  const later = record({ createdAt: now + minute, lastActivity: now + 2 * minute });
  assert.equal(due(later), now + 32 * minute);
  reckoning.jumped(now + minute, -jump);
  assert.equal(due(later), now + 32 * minute, "one that jumps back takes nobody's time");
});

test("whoever was away waits for heartbeats before it stops a workspace for not being used; its lifetime is over when it is over", () => {
  const since = start + 36 * minute;
  const reckoning = ledSince(since, 3 * minute);
  const used = record({ everActive: true, lastActivity: start });
  assert.equal(dueBy(reckoning, used), since + 3 * minute);
  assert.equal(dueBy(reckoning, record({ everActive: true, lastActivity: start, closed: true })), since + 3 * minute);
  assert.equal(dueBy(reckoning, record({ createdAt: since - 2160 * minute + 1000, everActive: true, lastActivity: start })), since + 1000, "maximum lifetime");
  assert.equal(dueBy(reckoning, record({ everActive: true, lastActivity: start + 20 * minute })), start + 55 * minute, "nothing is added to a time that is longer");
  const ours = { createdAt: Math.floor(since / 1000) * 1000, everActive: true, closed: true };
  assert.equal(dueBy(reckoning, record({ ...ours, lastActivity: since })), since + 2 * minute, "of one that began under us everything was told");
  reckoning.returned(since + 90 * minute);
  assert.equal(dueBy(reckoning, used), since + 93 * minute, "the process was stopped");
  reckoning.jumped(since + 10 * minute, -80 * minute);
  assert.equal(dueBy(reckoning, used), since + 13 * minute, "a clock that is set back does not make it wait for longer");
});

test("one that was never used has its time for the first use, and as long as others, whichever is later, when another replica begins to lead", () => {
  assert.equal(dueBy(ledSince(start + 10 * minute), record({})), start + 60 * minute);
  assert.equal(dueBy(ledSince(start + 50 * minute), record({})), start + 80 * minute);
  assert.equal(dueBy(ledSince(start + 10 * minute), record({ everActive: true })), start + 40 * minute, "used, but when was not written");
});

test("a jump of the clock that ends a term counts in the next one", () => {
  const reckoning = ledSince(start - minute);
  const jumped = start + 20 * minute + 48 * 60 * minute;
  reckoning.jumped(jumped, 48 * 60 * minute);
  reckoning.begin(jumped + 1000);
  assert.equal(dueBy(reckoning, record({ everActive: true, lastActivity: start + 10 * minute })), jumped + 25 * minute);
});
