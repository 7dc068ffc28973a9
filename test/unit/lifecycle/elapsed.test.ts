/** Times from before this replica led, and from before the clock jumped. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { WorkspaceFacts } from "../../../src/domain/messages.ts";
import { dueAt } from "../../../src/domain/timeouts.ts";
import { Reckoning } from "../../../src/main/lifecycle/elapsed.ts";
import { newRecord } from "../../../src/main/state/records.ts";
import type { WorkspaceRecord } from "../../../src/main/state/registry.ts";
import { workspaceResult } from "../../support/results.ts";

const minute = 60_000;
const start = 1_700_000_000_000;
const timeouts = { startup: 60 * minute, initialization: 30 * minute, regularWorkspace: 30 * minute, maxLifetime: 2160 * minute, headlessWorkspace: 60 * minute, afterClose: 2 * minute, contentFinalization: 55 * minute, stopping: 60 * minute, interrupted: 5 * minute };

function record(changes: Partial<WorkspaceFacts>, activeAt?: number): WorkspaceRecord {
  return { ...newRecord(workspaceResult({ createdAt: start, ...changes }).result, 0), activeAt };
}

test("activity before our time counts as late as it may have been, but not later than our beginning", () => {
  const since = start + 100 * minute;
  const reckoning = new Reckoning(since, 5 * minute);
  assert.equal(reckoning.of(record({ lastActivity: since - 60 * minute })).lastActivity, since - 55 * minute);
  assert.equal(reckoning.of(record({ lastActivity: since - minute })).lastActivity, since);
  assert.equal(reckoning.of(record({})).lastActivity, since);
  assert.equal(reckoning.of(record({ lastActivity: since + minute })).lastActivity, since + minute);
  assert.equal(reckoning.of(record({ lastActivity: since - minute }, since + 2 * minute)).lastActivity, since + 2 * minute);
});

test("of a workspace that began under us, what we know is all there is", () => {
  const reckoning = new Reckoning(start - minute, 5 * minute);
  assert.equal(reckoning.of(record({})).lastActivity, undefined);
  assert.equal(reckoning.of(record({ lastActivity: start + minute })).lastActivity, start + minute);
});

test("a backup that nobody could make while nobody led has its whole time from our beginning", () => {
  const since = start + 100 * minute;
  const reckoning = new Reckoning(since, 5 * minute);
  assert.equal(reckoning.of(record({ deletedAt: since - 90 * minute })).facts.deletedAt, since);
  assert.equal(reckoning.of(record({ deletedAt: since + minute })).facts.deletedAt, since + minute);
  assert.equal(reckoning.of(record({ deletedAt: since - 90 * minute, backupComplete: true })).facts.deletedAt, since - 90 * minute);
});

test("after the clock has jumped ahead each workspace has as much time left as before; what begins then is not touched", () => {
  const reckoning = new Reckoning(start - minute, 5 * minute);
  const one = record({ lastActivity: start + 10 * minute });
  const due = (of: WorkspaceRecord): number => {
    const { facts, lastActivity } = reckoning.of(of);
    return dueAt(facts, lastActivity, timeouts) ?? 0;
  };
  const before = due(one);
  const [jump, now] = [48 * 60 * minute, start + 20 * minute + 48 * 60 * minute];
  reckoning.jumped(now, jump);
  assert.equal(due(one) - now, before - (now - jump));
  const later = record({ createdAt: now + minute, lastActivity: now + 2 * minute });
  assert.equal(due(later), now + 32 * minute);
  reckoning.jumped(now + minute, -jump);
  assert.equal(due(later), now + 32 * minute, "one that jumps back takes nobody's time");
});
