/** Tests of what the load tool's soak finds wrong: with initial states, ends of workspaces, answers of calls, metrics. */
import { describe, test } from "node:test";
import assert from "node:assert/strict";
import { AnswerCheck } from "../../../src/bench/load/answer-check.ts";
import { InitialStates } from "../../../src/bench/load/initial-state.ts";
import { Lives } from "../../../src/bench/load/lives.ts";
import { Knowledge, Visit } from "../../../src/bench/load/visits.ts";
import { growthNotes } from "../../../src/bench/scenarios/soak-report.ts";
import { wsman } from "../../../src/gen/proto.js";

const { RUNNING, STOPPED } = wsman.WorkspacePhase;

describe("a visit", () => {
  /** One that comes when `a` is known at version 5 and `b` at 7, and `c` has stopped. */
  function visit(...statuses: readonly (readonly [id: string, version: number])[]): Visit {
    const knowledge = new Knowledge();
    knowledge.take("a", 5, RUNNING);
    knowledge.take("b", 6, RUNNING);
    knowledge.take("b", 7, RUNNING);
    knowledge.take("c", 8, RUNNING);
    knowledge.take("c", 9, STOPPED);
    const come = new Visit(knowledge.snapshot());
    for (const [id, version] of statuses) come.take(id, version);
    return come;
  }

  test("is complete once every workspace came, as new as it was known or newer", () => {
    assert.ok(visit(["a", 5], ["b", 8]).complete);
    assert.ok(!visit(["a", 5]).complete);
    assert.match(visit(["a", 5]).missing, /1 of .* b at version 7 \(had: none\)/);
  });

  test("is owed what was known, not what is older", () => {
    const stale = visit(["a", 5], ["b", 6]);
    assert.ok(!stale.complete);
    stale.take("b", 7);
    assert.ok(stale.complete);
  });

  test("is owed nothing of a workspace that was told as stopped meanwhile", () => {
    const come = visit(["a", 5]);
    come.stopped("b");
    assert.ok(come.complete);
  });

  test("counts what comes twice and what comes out of order", () => {
    const { repeated, reordered } = visit(["a", 5], ["a", 5], ["x", 9], ["x", 8], ["x", 10]);
    assert.deepEqual({ repeated, reordered }, { repeated: 1, reordered: 1 });
  });

  test("does not change what others know", () => {
    const knowledge = new Knowledge();
    knowledge.take("a", 1, RUNNING);
    new Visit(knowledge.snapshot()).take("a", 1);
    assert.equal(knowledge.snapshot().size, 1);
  });
});

describe("an initial state", () => {
  test("is complete when all that is known to be there has come: changes of what came before, and what else there is, do not count", () => {
    const state = new InitialStates(["a", "b", "c"]).begin();
    assert.deepEqual(["x", "a", "a", "y", "b", "b"].map((id) => state.take(id)), [false, false, false, false, false, false]);
    assert.ok(!state.complete);
    assert.deepEqual([state.take("c"), state.complete], [true, true]);
    assert.deepEqual([state.take("c"), state.take("a")], [false, false]);
  });

  test("is each subscriber's own", () => {
    const states = new InitialStates(["a"]);
    assert.ok(states.begin().take("a"));
    assert.ok(states.begin().take("a"));
  });
});

describe("growth of memory", () => {
  const trend = { slope: 1, noise: 2 };

  test("of which nothing is known is told to be unknown, and which kind it is", () => {
    assert.match(growthNotes({ rssTrend: undefined, heapTrend: undefined }, 3).join(), /no growth is told/);
    assert.match(growthNotes({ rssTrend: undefined, heapTrend: trend }, 3600).join(), /^of resident memory there are too few readings .*, heap does not grow or shrink/);
    assert.match(growthNotes({ rssTrend: trend, heapTrend: undefined }, 3600).join(), /^resident memory does not grow or shrink .*, of heap there are too few readings/);
  });

  test("is told of both kinds, with a warning after a short time", () => {
    assert.equal(growthNotes({ rssTrend: trend, heapTrend: trend }, 3600).length, 1);
    assert.match(growthNotes({ rssTrend: trend, heapTrend: trend }, 60).join(), /tells little of growth/);
  });
});

describe("lives", () => {
  /** What is counted after these phases were told of a workspace, which is deleted before those behind "deleted". */
  function counts(...told: readonly (number | "deleted")[]): object {
    const lives = new Lives();
    const life = lives.begin("a");
    for (const phase of told) {
      if (phase === "deleted") life.deleted = true;
      else lives.take("a", phase);
    }
    return lives.counts;
  }
  const nothing = { again: 0, afterwards: 0, early: 0 };

  test("find nothing wrong with one that is told, deleted, and told as STOPPED once", () => {
    assert.deepEqual(counts(RUNNING, RUNNING, "deleted", RUNNING, STOPPED), nothing);
  });

  test("count a second STOPPED, what comes after one, and one that comes too early", () => {
    assert.deepEqual(counts("deleted", STOPPED, STOPPED, STOPPED), { ...nothing, again: 2 });
    assert.deepEqual(counts("deleted", STOPPED, RUNNING), { ...nothing, afterwards: 1 });
    assert.deepEqual(counts(RUNNING, STOPPED, "deleted"), { ...nothing, early: 1 });
  });

  test("tell who waits, and forget those that ended", async () => {
    const lives = new Lives();
    const life = lives.begin("a");
    lives.take("other", STOPPED);
    lives.take("a", RUNNING);
    await life.told;
    assert.ok(!life.isStopped);
    life.deleted = true;
    lives.take("a", STOPPED);
    await life.stopped;
    lives.end("a");
    lives.take("a", STOPPED);
    assert.deepEqual([lives.size, lives.counts], [0, nothing]);
  });
});

describe("answers", () => {
  function all(...statuses: readonly (readonly [id: string, version: number])[]): Uint8Array {
    return wsman.GetWorkspacesResponse.encode(wsman.GetWorkspacesResponse.fromObject({ status: statuses.map(([id, statusVersion]) => ({ id, statusVersion, message: "m".repeat(200) })) })).finish();
  }
  function one(id: string, statusVersion: number): Uint8Array {
    return wsman.DescribeWorkspaceResponse.encode(wsman.DescribeWorkspaceResponse.fromObject({ status: { id, statusVersion }, lastActivity: "2024-01-01T00:00:00Z" })).finish();
  }

  test("are right with every workspace once, others beside them, and versions that do not fall", () => {
    const answers = new AnswerCheck(["a", "b"]);
    assert.equal(answers.get(all(["a", 1], ["b", 2])), undefined);
    assert.equal(answers.get(all(["x", 1], ["b", 2], ["a", 3])), undefined);
    assert.equal(answers.describe("a", one("a", 3)), undefined);
    assert.equal(answers.get(all(["x", 0], ["b", 2], ["a", 3])), undefined);
  });

  test("are wrong where one is missing, comes twice, is older than before, or is another one", () => {
    const answers = new AnswerCheck(["a", "b"]);
    assert.match(answers.get(all(["a", 1])) ?? "", /1 were missing/);
    assert.match(answers.get(new Uint8Array(0)) ?? "", /2 were missing/);
    assert.match(answers.get(all(["a", 1], ["b", 2], ["b", 2])) ?? "", /1 came twice/);
    assert.match(answers.get(all(["a", 0], ["b", 2])) ?? "", /1 were older/);
    assert.match(answers.describe("b", one("b", 1)) ?? "", /older than before/);
    assert.match(answers.describe("b", one("a", 9)) ?? "", /asked for b, it describes "a"/);
  });

  test("that are cut off are an error", () => {
    const bytes = all(["a", 1], ["b", 2]);
    const answers = new AnswerCheck(["a", "b"]);
    assert.throws(() => answers.get(bytes.subarray(0, -1)), RangeError);
    assert.throws(() => answers.get(Uint8Array.of(1, 2, 3)), RangeError);
  });
});
