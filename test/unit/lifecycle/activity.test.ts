/** Activity: what is remembered, and what is written. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLog } from "../../../src/domain/log.ts";
import { rfc3339Nano } from "../../../src/domain/rfc3339.ts";
import { Activity, gatherMs } from "../../../src/main/lifecycle/activity.ts";
import type { AnnotationChanges } from "../../../src/main/kube/objects.ts";
import type { Changer } from "../../../src/main/lifecycle/writer.ts";
import { lastActivityOf, type WorkspaceRecord } from "../../../src/main/state/registry.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { until } from "../../support/until.ts";
import { recordOf } from "../../support/results.ts";
import { timeouts } from "./world.ts";

const interval = 300_000;
const longAgo = new FakeClock().now() - 7_200_000;

/** @param writing what becomes of writes. @param leads whether this replica does. */
function setup(writing: "works" | "fails" | "hangs" = "works", leads = false): { activity: Activity; clock: FakeClock; writes: [string, AnnotationChanges, string][]; otherwise: (Changer | undefined)[] } {
  const clock = new FakeClock();
  const writes: [string, AnnotationChanges, string][] = [];
  const otherwise: (Changer | undefined)[] = [];
  const annotate = async (record: WorkspaceRecord, changes: AnnotationChanges, _what: string, _signal: AbortSignal, priority = "user", other?: Changer): Promise<void> => {
    writes.push([record.uid, changes, priority]);
    otherwise.push(other);
    if (writing === "fails") throw new Error("no API server");
    if (writing === "hangs") await new Promise(() => {});
  };
  return { activity: new Activity({ writer: { annotate }, persistIntervalMs: interval, timeouts, leads: () => leads, clock, log: silentLog }), clock, writes, otherwise };
}

test("the first call is written and waited for, the next ones cost nothing until the interval is over", async () => {
  const { activity, clock, writes } = setup();
  const record = recordOf("a");
  const first = activity.mark(record, false);
  assert.ok(first);
  await first;
  assert.deepEqual(writes.map(([uid, changes, priority]) => [uid, Object.keys(changes).toSorted(), priority]), [["a", ["gitpod.io/lastActivity", "gitpod/firstUserActivity"], "user"]]);
  const used = { ...record, facts: { ...record.facts, everActive: true, lastActivity: clock.now() } };
  for (let i = 0; i < 9; i++) {
    clock.advance(interval / 10);
    assert.equal(activity.mark(used, false), undefined);
  }
  assert.equal(writes.length, 1);
  assert.equal(lastActivityOf(used), clock.now());
  clock.advance(interval / 10);
  assert.equal(activity.mark(used, false), undefined);
  clock.advance(gatherMs);
  assert.deepEqual(writes.slice(1).map(([, changes, priority]) => [Object.keys(changes), priority]), [[["gitpod.io/lastActivity"], "housekeeping"]]);
});

test("what was written while the clock was ahead keeps nothing from being written once it is right again", async () => {
  const { activity, clock, writes } = setup();
  const record = recordOf("a", { everActive: true, lastActivity: clock.now() });
  const right = clock.now() + interval + 1_000;
  clock.advance(interval);
  clock.setWall(clock.now() + 3_600_000);
  void activity.mark(record, false);
  clock.advance(gatherMs);
  assert.equal(writes.length, 1);
  await new Promise(setImmediate);
  // As after a clock that jumped was told of what had been before: what stands on the pod is right.
  record.facts = { ...record.facts, lastActivity: right };
  clock.setWall(right);
  for (let i = 0; i < 10; i++) {
    assert.equal(writes.length, 1);
    clock.advance(interval / 10);
    void activity.mark(record, false);
  }
  clock.advance(gatherMs);
  assert.equal(writes.length, 2);
});

test("closing and opening again are written at once, each once", async () => {
  const { activity, clock, writes } = setup();
  const open = recordOf("a", { everActive: true, lastActivity: clock.now() });
  await activity.mark(open, true);
  assert.equal(writes[0]?.[1]["gitpod/closed"], "true");
  const closed = { ...open, facts: { ...open.facts, closed: true } };
  assert.equal(activity.mark(closed, true), undefined);
  await activity.mark(closed, false);
  assert.equal(writes[1]?.[1]["gitpod/closed"], null);
  assert.equal(writes.length, 2);
});

test("a write that fails fails no call, and what was not written is written at the end, of those that are still there", async () => {
  const { activity, clock, writes } = setup("fails");
  const [failing, quiet, gone] = [recordOf("failing"), recordOf("quiet", { everActive: true, lastActivity: clock.now() }), recordOf("gone", { everActive: true, lastActivity: clock.now() })];
  clock.advance(1000);
  await activity.mark(failing, false);
  void activity.mark(quiet, false);
  void activity.mark(gone, false);
  activity.forget(gone);
  const before = writes.length;
  await activity.flush(5000);
  assert.deepEqual(writes.slice(before).map(([uid]) => uid).toSorted(), ["failing", "quiet"]);
});

test("what a leader elsewhere would have to know before it times a workspace out is written in time", async () => {
  const { activity, clock, writes } = setup();
  const idle = recordOf("a", { everActive: true, lastActivity: clock.now() });
  clock.advance(60_000);
  void activity.mark(idle, false);
  assert.equal(writes.length, 0);
  // Nobody comes again: it is written nonetheless, once.
  clock.advance(interval + 60_000);
  await Promise.resolve();
  assert.equal(writes.length, 1);
  assert.equal(Date.parse(String(writes[0]?.[1]["gitpod.io/lastActivity"])), idle.activeAt);
  // By what is written the workspace is about to time out: the next call does not wait for the interval.
  const late = { ...recordOf("b", { everActive: true, createdAt: longAgo, lastActivity: clock.now() - timeouts.regularWorkspace + 60_000 }), activityWrittenAt: clock.now() - 20_000 };
  void activity.mark(late, false);
  assert.equal(writes.at(-1)?.[0], "b");
});

test("where a leader elsewhere may time a workspace out at any moment the call is answered once its activity is written; the next one costs nothing", async () => {
  const { activity, clock, writes } = setup();
  const record = recordOf("a", { everActive: true, createdAt: longAgo, lastActivity: clock.now() - timeouts.regularWorkspace + 5_000 });
  assert.equal(activity.markAtOnce(record, false), false);
  assert.equal(record.activeAt, undefined);
  const marked = activity.mark(record, false);
  assert.ok(marked);
  await marked;
  assert.deepEqual(writes.map(([uid, changes, priority]) => [uid, changes, priority]), [["a", { "gitpod.io/lastActivity": rfc3339Nano(clock.now()) }, "user"]]);
  clock.advance(1_000);
  assert.equal(activity.markAtOnce(record, false), true);
  // Activity does not put off the end of its lifetime.
  const old = recordOf("b", { everActive: true, createdAt: clock.now() - timeouts.maxLifetime + 5_000, lastActivity: clock.now() - 20_000 });
  assert.equal(activity.markAtOnce(old, false), true);
  assert.equal(writes.length, 1);
});

const unavailable = { code: "UNAVAILABLE", message: /could not be written for the replica that leads, which may stop it/ };
/** A workspace that would be stopped in five seconds, if nobody said that it is in use. */
const pressing = (clock: FakeClock): WorkspaceRecord => recordOf("a", { everActive: true, createdAt: longAgo, lastActivity: clock.now() - timeouts.regularWorkspace + 5_000 });

test("an API server that takes no writes fails no such call of a replica that leads, for what that remembers counts, and holds up one only", async () => {
  const { activity, clock, writes } = setup("fails", true);
  const record = pressing(clock);
  await activity.mark(record, false);
  assert.equal(activity.mark(record, false), undefined);
  assert.equal(lastActivityOf(record), clock.now());
  assert.equal(writes.length, 1);
});

test("where another replica leads, who says that a workspace is in use that it may stop, and that can not be written, is told so, as often as it is said, and a write is tried every ten seconds; it is remembered all the same", async () => {
  const { activity, clock, writes } = setup("fails");
  const record = pressing(clock);
  const from = clock.now();
  for (let second = 0; second <= 25; second++) {
    await assert.rejects(async () => activity.mark(record, false), unavailable);
    assert.equal(activity.markAtOnce(record, false), false);
    assert.equal(lastActivityOf(record), clock.now());
    clock.advance(1_000);
    await new Promise(setImmediate);
  }
  assert.equal(writes.length, 3);
  // Another replica was told, and has written it.
  record.facts = { ...record.facts, lastActivity: from + 20_000 };
  assert.equal(activity.mark(record, false), undefined);
});

test("one that is told of it before time presses is told nothing of a write that failed", async () => {
  const { activity, clock, writes } = setup("fails");
  const record = recordOf("a", { everActive: true, createdAt: longAgo, lastActivity: clock.now() - interval });
  assert.equal(activity.mark(record, false), undefined);
  clock.advance(gatherMs);
  await new Promise(setImmediate);
  assert.equal(writes.length, 1);
  assert.equal(activity.mark(record, false), undefined);
});

test("an API server that does not answer holds such a call up for a second, and none beside it: who comes later is told at once that it is not written", async () => {
  for (const leads of [true, false]) {
    const { activity, clock, writes } = setup("hangs", leads);
    const record = pressing(clock);
    const outcomes: string[] = [];
    const marked = activity.mark(record, false)?.then(() => outcomes.push("answered"), (error: Error) => outcomes.push(error.message));
    assert.equal(activity.mark(record, false), undefined);
    clock.advance(999);
    await new Promise(setImmediate);
    assert.deepEqual(outcomes, []);
    clock.advance(2);
    await marked;
    if (leads) {
      assert.deepEqual(outcomes, ["answered"]);
      assert.equal(activity.mark(record, false), undefined);
    } else {
      assert.match(outcomes.join(), unavailable.message);
      await assert.rejects(async () => activity.mark(record, false), unavailable);
    }
    assert.equal(writes.length, 1);
  }
});

test("a write that was begun before time pressed, and is under way still, is no answer; nor is one that failed", async () => {
  for (const writing of ["hangs", "fails"] as const) {
    const { activity, clock, writes } = setup(writing);
    const record = recordOf("a", { everActive: true, createdAt: longAgo, lastActivity: clock.now() - timeouts.regularWorkspace + 34_000 });
    assert.equal(activity.mark(record, false), undefined);
    assert.equal(writes.length, 1);
    clock.advance(8_000);
    await new Promise(setImmediate);
    assert.throws(() => activity.mark(record, false), unavailable);
    assert.equal(writes.length, 1);
  }
});

test("a write that failed is forgotten once the activity was written, here or by another replica, or its pod is another one", async () => {
  const { activity, clock, writes } = setup("fails");
  const record = pressing(clock);
  await assert.rejects(async () => activity.mark(record, false), unavailable);
  await new Promise(setImmediate);
  record.facts = { ...record.facts, lastActivity: clock.now() + 1_000 - timeouts.regularWorkspace + 20_000 };
  assert.throws(() => activity.mark(record, false), unavailable, "that was written before it failed");
  clock.advance(11_000);
  await new Promise(setImmediate);
  // Another replica was told, a while ago, and has written it only now.
  const short = { ...record, facts: { ...record.facts, customTimeout: "30s", lastActivity: clock.now() - 5_000 } };
  assert.equal(activity.markAtOnce(short, false), true);
  assert.equal(writes.length, 1);
});

test("a write that failed does not make calls fail any more once a later one has worked, though it told of activity from before", async () => {
  const clock = new FakeClock();
  const written: AnnotationChanges[] = [];
  let works = false;
  const failing = Promise.withResolvers<void>();
  const annotate = async (_record: WorkspaceRecord, changes: AnnotationChanges): Promise<void> => {
    if (!works) await failing.promise;
    written.push(changes);
  };
  const activity = new Activity({ writer: { annotate }, persistIntervalMs: interval, timeouts, leads: () => false, clock, log: silentLog });
  const record = recordOf("a", { everActive: true, createdAt: longAgo, customTimeout: "1m", lastActivity: clock.now() - 11_000 });
  assert.equal(activity.markAtOnce(record, false), true);
  const usedAt = clock.now();
  clock.advance(5_000);
  works = true;
  failing.reject(new Error("no API server"));
  await new Promise(setImmediate);
  clock.advance(26_000);
  await new Promise(setImmediate);
  assert.equal(written.length, 1, "swept");
  record.facts = { ...record.facts, lastActivity: usedAt };
  clock.advance(1_000);
  assert.equal(activity.markAtOnce(record, false), true);
});

test("what another replica has written of later activity is not set back, neither by the sweep nor by what a call changes", async () => {
  const { activity, clock, writes } = setup();
  const began = clock.now();
  const record = recordOf("a", { everActive: true, lastActivity: began });
  clock.advance(1_000);
  void activity.mark(record, false);
  record.facts = { ...record.facts, lastActivity: began + 2_000 };
  activity.changed(record);
  clock.advance(2 * interval);
  assert.equal(writes.length, 0);
  record.facts = { ...record.facts, lastActivity: clock.now() + 5_000 };
  await activity.mark(record, true);
  assert.deepEqual(writes.map(([, changes]) => Date.parse(String(changes["gitpod.io/lastActivity"]))), [clock.now() + 5_000]);
});

test("when a workspace's time becomes shorter, activity that was not written yet is written at once, and else with the next sweep", async () => {
  const { activity, clock, writes } = setup();
  const record = recordOf("a", { everActive: true, lastActivity: clock.now() });
  clock.advance(120_000);
  void activity.mark(record, false);
  const { activeAt } = record;
  activity.changed(record);
  assert.equal(writes.length, 0, "any other change");
  record.facts = { ...record.facts, customTimeout: "1m" };
  activity.changed(record);
  assert.deepEqual(writes.map(([, changes, priority]) => [Date.parse(String(changes["gitpod.io/lastActivity"])), priority]), [[activeAt, "finalization"]]);
  await Promise.resolve();
  activity.changed(record);
  assert.equal(writes.length, 1);
  const untold = recordOf("b", { everActive: true, lastActivity: clock.now() });
  clock.advance(20_000);
  void activity.mark(untold, false);
  untold.facts = { ...untold.facts, customTimeout: "1m" };
  clock.advance(30_000);
  assert.deepEqual(writes.slice(1).map(([uid, , priority]) => [uid, priority]), [["b", "finalization"]]);
});

test("activity that stood on a pod counts still when somebody takes it away from there, as if it had been told here; from the future, as when it was seen", () => {
  const { activity, clock, writes } = setup();
  // Told here a while ago, and to another replica since, which has written it.
  const record = recordOf("a", { everActive: true, closed: true, lastActivity: clock.now() });
  activity.markAtOnce(record, true);
  clock.advance(timeouts.afterClose);
  const last = clock.now();
  record.facts = { ...record.facts, lastActivity: last };
  activity.changed(record);
  const wrong = recordOf("b", { everActive: true, lastActivity: last + 60 * 60_000 });
  activity.changed(wrong);
  clock.advance(40_000);
  for (const changed of [record, wrong]) {
    changed.facts = { ...changed.facts, everActive: false, lastActivity: undefined };
    activity.changed(changed);
    assert.equal(lastActivityOf(changed), last);
  }
  assert.deepEqual(writes, []);
});

test("near the end of its lifetime, which activity does not put off, a workspace is written no more often", () => {
  const { activity, clock, writes } = setup();
  const record = recordOf("a", { createdAt: clock.now() - timeouts.maxLifetime + 200_000, everActive: true, lastActivity: clock.now() });
  for (let i = 0; i < 5; i++) {
    clock.advance(30_000);
    void activity.mark(record, false);
  }
  assert.equal(writes.length, 0);
});

test("writes that are due within a second go out together, each once, with the latest that is known; who is gone or was written meanwhile is not written", async () => {
  const { activity, clock, writes } = setup();
  const records = Array.from({ length: 40 }, (_, i) => recordOf(`w${i}`, { everActive: true, lastActivity: clock.now() }));
  clock.advance(interval);
  for (const record of records) assert.equal(activity.markAtOnce(record, false), true);
  clock.advance(gatherMs / 2);
  const [again, gone, elsewhere] = records;
  assert.ok(again && gone && elsewhere);
  assert.equal(activity.markAtOnce(again, false), true);
  activity.forget(gone);
  elsewhere.facts = { ...elsewhere.facts, lastActivity: clock.now() };
  assert.equal(writes.length, 0);
  clock.advance(gatherMs / 2);
  await until("all are written", () => writes.length === 38);
  assert.deepEqual(new Set(writes.map(([uid]) => uid)), new Set(records.map(({ uid }) => uid).filter((uid) => uid !== "w1" && uid !== "w2")));
  const [, changes] = writes.find(([uid]) => uid === "w0") ?? [];
  assert.equal(Date.parse(String(changes?.["gitpod.io/lastActivity"])), again.activeAt);
});

test("at the end what was gathered is written, each once", async () => {
  const { activity, clock, writes } = setup();
  const record = recordOf("a", { everActive: true, lastActivity: clock.now() });
  clock.advance(interval);
  activity.markAtOnce(record, false);
  await activity.flush(5000);
  clock.advance(2 * gatherMs);
  assert.deepEqual(writes.map(([uid, , priority]) => [uid, priority]), [["a", "finalization"]]);
});

test("a workspace whose pod goes while others' writes are under way is not written any more, in its round and at the end", async () => {
  for (const atEnd of [false, true]) {
    const clock = new FakeClock();
    const slow = Promise.withResolvers<void>();
    const written: string[] = [];
    const annotate = (record: WorkspaceRecord): Promise<void> => {
      written.push(record.uid);
      return slow.promise;
    };
    const activity = new Activity({ writer: { annotate }, persistIntervalMs: interval, timeouts, leads: () => false, clock, log: silentLog });
    const records = Array.from({ length: 34 }, (_, i) => recordOf(`w${i}`, { everActive: true, lastActivity: clock.now() }));
    clock.advance(interval);
    for (const record of records) assert.equal(activity.markAtOnce(record, false), true);
    if (!atEnd) clock.advance(gatherMs);
    const end = atEnd ? activity.flush(5_000) : undefined;
    await until("as many as may are under way", () => written.length === 32);
    for (const record of records.slice(32, 33)) activity.forget(record);
    slow.resolve();
    await until("the last is written", () => written.includes("w33"));
    assert.ok(!written.includes("w32"));
    await end;
  }
});

test("what has to be waited for is not done at once", async () => {
  const { activity, clock, writes } = setup();
  assert.equal(activity.markAtOnce(recordOf("first"), false), false);
  const open = recordOf("a", { everActive: true, lastActivity: clock.now() });
  clock.advance(1000);
  assert.equal(activity.markAtOnce(open, true), false);
  assert.equal(open.activeAt, undefined);
  await activity.flush(5000);
  assert.equal(writes.length, 0);
});

test("a process that stood still takes nothing back that others have written meanwhile", async () => {
  const { activity, clock, otherwise } = setup();
  const record = recordOf("a", { everActive: true, lastActivity: clock.now() });
  clock.advance(interval);
  void activity.mark(record, false);
  const at = clock.now();
  clock.advance(gatherMs);
  await until("it is written", () => otherwise.length === 1);
  const changed = (noted: number): AnnotationChanges | undefined => otherwise.at(-1)?.(new Map([["gitpod.io/lastActivity", rfc3339Nano(noted)]]));
  assert.equal(changed(at + 1_000), undefined);
  assert.deepEqual(changed(at - 1_000), { "gitpod.io/lastActivity": rfc3339Nano(at) });
  void activity.mark(record, true);
  assert.equal(changed(clock.now() + 1_000), undefined, "somebody has used it since it was closed");
  assert.deepEqual(changed(clock.now()), { "gitpod/closed": "true" });
  assert.deepEqual(changed(clock.now() - 1_000), { "gitpod/closed": "true", "gitpod.io/lastActivity": rfc3339Nano(clock.now()) });
});

test("the first use of a workspace that another replica has noted stays the first", async () => {
  const { activity, clock, otherwise } = setup();
  await activity.mark(recordOf("a"), false);
  const [change] = otherwise;
  assert.ok(change);
  const [now, before] = [rfc3339Nano(clock.now()), rfc3339Nano(clock.now() - 1_000)];
  assert.deepEqual(change(new Map([["gitpod/firstUserActivity", before], ["gitpod.io/lastActivity", before]])), { "gitpod.io/lastActivity": now });
  assert.deepEqual(change(new Map()), { "gitpod/firstUserActivity": now, "gitpod.io/lastActivity": now });
});

test("activity told of a pod that was gone already counts for the pod that has its ID since, if that was there by then", () => {
  const { activity, clock, writes } = setup();
  const before = recordOf("before", { id: "one", everActive: true, lastActivity: clock.now() });
  const [later, earlier] = [5000, 1000].map((ms) => recordOf(`created after ${ms}`, { id: "one", everActive: true, createdAt: clock.now() + ms, lastActivity: clock.now() + ms }));
  assert.ok(later && earlier);
  clock.advance(3000);
  assert.equal(activity.mark(before, false), undefined);
  activity.forget(before);
  const at = clock.now();
  activity.changed({ ...later });
  assert.equal(lastActivityOf(later), later.facts.lastActivity);
  void activity.mark(before, false);
  activity.forget(before);
  // Who is behind is told of what happened to it before.
  activity.changed(before);
  activity.changed(earlier);
  assert.equal(lastActivityOf(earlier), at);
  clock.advance(interval + 60_000);
  assert.deepEqual(writes.map(([uid, changes]) => [uid, changes["gitpod.io/lastActivity"]]), [["created after 1000", rfc3339Nano(at)]]);
});
