/** Comparing a shadow's statuses with another manager's over time: what is told, when, and how often. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { wsman } from "../../../src/gen/proto.js";
import { Comparison } from "../../../src/main/shadow/comparison.ts";
import { buildFrame, encodeStatus, type Status } from "../../../src/main/state/frame.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { MemoryLog } from "../rpc/helpers.ts";
import { runningPod, statusOf } from "../workers/pods.ts";

const { PENDING, CREATING, RUNNING, STOPPING, STOPPED } = wsman.WorkspacePhase;
const settleMs = 10_000;

interface Setup {
  readonly clock: FakeClock;
  readonly log: MemoryLog;
  readonly comparison: Comparison;
  readonly counted: string[];
  readonly ours: (id: string, members?: Status) => void;
  readonly theirs: (id: string, members?: Status, version?: number) => void;
  /** They have listed what they have. */
  readonly listed: (...ids: readonly string[]) => void;
  /** Workspaces that were told of, each with its fields. */
  readonly told: () => readonly (readonly [string, readonly string[]])[];
}

function setup(maxWorkspaces?: number): Setup {
  const clock = new FakeClock();
  const log = new MemoryLog();
  const counted: string[] = [];
  const comparison = new Comparison({ settleMs, clock, log, metrics: { compared() {}, differs: (field, known) => void counted.push(`${field} ${known}`) }, ...(maxWorkspaces !== undefined && { maxWorkspaces }) });
  comparison.oursKnown(0);
  const plain = statusOf(runningPod());
  let version = 0;
  return {
    clock, log, comparison, counted,
    ours: (id, members = {}) => comparison.ours(buildFrame(encodeStatus({ ...plain, id, ...members }), { seconds: 1_700_000_000, logical: ++version })),
    theirs: (id, members = {}, at = ++version) => comparison.theirs(wsman.WorkspaceStatus.fromObject({ ...plain, id, ...members, statusVersion: at })),
    listed: (...ids) => comparison.listed(new Set(ids), clock.monotonic() + 1),
    told: () => log.lines.filter(({ level, fields }) => level === "warn" && "fields" in fields).map(({ fields }) => [String("id" in fields && fields.id), "fields" in fields && Array.isArray(fields.fields) ? fields.fields.map(String) : []]),
  };
}

test("a difference is told once neither side has changed for the settling time, once, and that it is over", () => {
  const { clock, comparison, counted, ours, theirs, listed, told } = setup();
  ours("one");
  theirs("one", { phase: STOPPING });
  listed("one");
  clock.advance(settleMs - 1);
  assert.deepEqual(told(), []);
  clock.advance(1);
  assert.deepEqual(told(), [["one", ["phase"]]]);
  assert.deepEqual([counted, comparison.levels.open], [["phase false"], 1]);
  // As it was, whoever says it again.
  theirs("one", { phase: STOPPING });
  clock.advance(settleMs);
  assert.equal(told().length, 1);
  ours("one", { phase: STOPPING });
  clock.advance(settleMs);
  assert.deepEqual([told().length, comparison.levels.open, comparison.summary.differences], [1, 0, { phase: 1 }]);
});

test("mere delay is no difference: whoever changes again and again is compared when it has come to rest", () => {
  const { clock, comparison, ours, theirs, listed, told } = setup();
  ours("one");
  theirs("one");
  listed("one");
  for (let i = 0; i < 10; i++) {
    ours("one", { message: String(i) });
    clock.advance(settleMs - 1);
    theirs("one", { message: String(i) });
    clock.advance(1);
  }
  assert.equal(comparison.levels.waiting, 1);
  clock.advance(settleMs);
  assert.deepEqual([told(), comparison.levels.waiting, comparison.summary.compared], [[], 0, 1]);
});

test("a workspace that only one side has is told; one that has ended there and is gone here is not", () => {
  const { clock, comparison, ours, theirs, listed, told } = setup();
  for (const id of ["ours", "both", "ended"]) ours(id);
  for (const id of ["theirs", "both"]) theirs(id);
  listed("theirs", "both");
  ours("ended", { phase: STOPPED });
  clock.advance(settleMs);
  assert.deepEqual(told().toSorted(([a], [b]) => (a < b ? -1 : 1)), [["ours", ["workspace"]], ["theirs", ["workspace"]]]);
  // It ends while nobody listens: the next list tells.
  ours("both", { phase: STOPPED });
  comparison.lost();
  clock.advance(10 * settleMs);
  listed("theirs");
  clock.advance(settleMs);
  assert.equal(told().length, 2);
});

test("an end that both have told is forgotten, and a workspace that begins anew under the ID is compared from the beginning", () => {
  const { clock, comparison, ours, theirs, listed, told } = setup();
  ours("one", { phase: STOPPED, message: "a" });
  theirs("one", { phase: STOPPED, message: "b" });
  listed("one");
  clock.advance(settleMs);
  assert.deepEqual([told(), comparison.levels.open], [[["one", ["message"]]], 0]);
  // A last word that comes late opens nothing.
  theirs("one", { phase: STOPPED });
  clock.advance(settleMs);
  assert.equal(told().length, 1);
  ours("one", { phase: RUNNING });
  theirs("one", { phase: STOPPING });
  clock.advance(settleMs);
  assert.deepEqual(told().at(-1), ["one", ["phase"]]);
});

test("nothing is compared before the other side is known, and while it is away; then all has to settle anew", () => {
  const { clock, comparison, ours, theirs, listed, told } = setup();
  ours("one");
  theirs("two");
  clock.advance(100 * settleMs);
  assert.deepEqual([told(), comparison.levels.connected], [[], false]);
  listed("two");
  clock.advance(settleMs - 1);
  comparison.lost();
  clock.advance(100 * settleMs);
  assert.deepEqual(told(), []);
  theirs("one");
  ours("two");
  listed("one", "two");
  clock.advance(settleMs);
  assert.deepEqual([told(), comparison.summary.compared], [[], 2]);
});

test("nothing is compared while ours are not known; then all has to settle anew, and what was not told again is gone", () => {
  const { clock, comparison, ours, theirs, listed, told } = setup();
  for (const id of ["one", "two", "ended"]) ours(id);
  for (const id of ["one", "two"]) theirs(id);
  listed("one", "two");
  comparison.oursLost();
  theirs("one", { phase: STOPPING });
  clock.advance(100 * settleMs);
  assert.deepEqual([told(), comparison.levels.connected, comparison.summary.compared], [[], false, 0]);
  const since = clock.monotonic();
  ours("one", { phase: STOPPING });
  comparison.oursKnown(since);
  assert.equal(comparison.levels.connected, true);
  clock.advance(settleMs - 1);
  assert.deepEqual(told(), []);
  clock.advance(1);
  assert.deepEqual(told(), [["two", ["workspace"]]]);
});

test("a thread that stood still compares nothing before it has read what was said meanwhile, unless that happens again and again", () => {
  const { clock, comparison, ours, theirs, listed, told } = setup();
  for (const id of ["one", "two"]) {
    ours(id);
    theirs(id);
  }
  listed("one", "two");
  ours("one", { phase: STOPPING });
  clock.stall(10 * settleMs);
  theirs("one", { phase: STOPPING });
  clock.advance(settleMs - 1);
  assert.deepEqual([told(), comparison.summary.compared], [[], 0]);
  clock.advance(1);
  assert.deepEqual([told(), comparison.summary.compared], [[], 2]);
  for (const id of ["one", "two"]) ours(id, { message: "another" });
  for (let i = 0; i < 5; i++) clock.stall(settleMs + 501);
  assert.deepEqual(told(), []);
  clock.stall(settleMs + 501);
  assert.equal(told().length, 2);
});

test("an older status of theirs, as a list may bring it after the stream, changes nothing", () => {
  const { clock, ours, theirs, listed, told } = setup();
  ours("one", { phase: STOPPING });
  theirs("one", { phase: STOPPING }, 100);
  theirs("one", { phase: RUNNING }, 99);
  listed("one");
  clock.advance(settleMs);
  assert.deepEqual(told(), []);
});

test("where many workspaces differ in one field, some are named and the others counted, in the log once a minute at most", () => {
  const { clock, log, comparison, counted, ours, theirs, listed, told } = setup();
  const ids = Array.from({ length: 500 }, (_, i) => `ws-${i}`);
  for (const id of ids) {
    ours(id);
    theirs(id, { phase: STOPPING });
  }
  listed(...ids);
  clock.advance(settleMs);
  assert.deepEqual([told().length, counted.length, comparison.levels.open], [20, 500, 500]);
  const more = (): readonly object[] => log.lines.filter(({ fields }) => "differences" in fields).map(({ fields }) => fields);
  assert.deepEqual(more(), [{ differences: { phase: 1 } }]);
  comparison.close();
  assert.deepEqual(more().at(-1), { differences: { phase: 479 } });
});

test("there is room for so many workspaces and no more, and the summary tells", () => {
  const { comparison, ours } = setup(2);
  for (const id of ["one", "two", "three", "four"]) ours(id);
  assert.deepEqual([comparison.levels.waiting, comparison.summary.left], [2, 2]);
});

test("differences that are wanted are told apart, and are none in the end", () => {
  const { clock, log, comparison, counted, ours, theirs, listed, told } = setup();
  ours("one", { metadata: { ...statusOf(runningPod()).metadata, team: "red" } });
  theirs("one");
  listed("one");
  clock.advance(settleMs);
  assert.deepEqual([told(), counted, comparison.levels.open], [[], ["metadata.team true"], 0]);
  assert.deepEqual([comparison.summary.differences, comparison.summary.wanted], [{}, { "metadata.team": 1 }]);
  assert.deepEqual(log.lines.map(({ level, fields }) => [level, fields]), [["info", { id: "one", reasons: { "metadata.team": "the Go daemon does not tell it" } }]]);
});

test("a field that differed as it is to, and then otherwise, is told as a difference, counted and open; and the other way round", () => {
  const { clock, comparison, counted, ours, theirs, listed, told } = setup();
  ours("one", { phase: CREATING });
  theirs("one", { phase: PENDING });
  listed("one");
  clock.advance(settleMs);
  assert.deepEqual([told(), counted, comparison.levels.open], [[], ["phase true"], 0]);
  ours("one", { phase: RUNNING });
  clock.advance(settleMs);
  assert.deepEqual([told(), counted, comparison.levels.open], [[["one", ["phase"]]], ["phase true", "phase false"], 1]);
  assert.deepEqual([comparison.summary.differences, comparison.summary.wanted], [{ phase: 1 }, { phase: 1 }]);
  ours("one", { phase: CREATING });
  clock.advance(settleMs);
  assert.deepEqual([told().length, counted.at(-1), comparison.levels.open], [1, "phase true", 0]);
});

test("of more workspaces that differ as they are to the log tells apart from those that do otherwise, and does not warn", () => {
  const { clock, log, comparison, ours, theirs, listed } = setup();
  const ids = Array.from({ length: 100 }, (_, i) => `ws-${i}`);
  for (const [i, id] of ids.entries()) {
    ours(id, { metadata: { ...statusOf(runningPod()).metadata, team: "red" } });
    theirs(id, i < 30 ? { phase: STOPPING } : {});
  }
  listed(...ids);
  clock.advance(settleMs);
  comparison.close();
  const sums = log.lines.filter(({ fields }) => "differences" in fields || "wanted" in fields).map(({ level, fields }) => [level, fields]);
  assert.deepEqual(sums, [
    ["warn", { differences: { phase: 1 } }], ["info", { wanted: { "metadata.team": 1 } }],
    ["warn", { differences: { phase: 9 } }], ["info", { wanted: { "metadata.team": 79 } }],
  ]);
});
