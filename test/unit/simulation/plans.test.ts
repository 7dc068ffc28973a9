/** Plans of simulations: drawn from their seed alone, written and read, and shortened to what it takes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { drawPlan } from "../../support/simulation/draw.ts";
import { parsePlan, type Plan } from "../../support/simulation/plan.ts";
import { shrink, story } from "../../support/simulation/shrink.ts";

test("the same seed gives the same plan, and what one part draws does not depend on another", () => {
  const amount = { days: 1, workspaces: 20, faults: 20 };
  assert.deepEqual(drawPlan(5, amount), drawPlan(5, amount));
  assert.notDeepEqual(drawPlan(5, amount), drawPlan(6, amount));
  const more = drawPlan(5, { ...amount, faults: 40 });
  assert.deepEqual(more.lives, drawPlan(5, amount).lives);
});

test("times are within the day, and replicas and nodes are those that there are", () => {
  for (let seed = 1; seed <= 50; seed++) {
    const { hours, replicas, nodes, lives, faults } = drawPlan(seed);
    for (const { at } of [...lives, ...faults]) assert.ok(at >= 0 && at <= hours * 3_600_000);
    for (const fault of faults) {
      if ("slot" in fault) assert.ok(fault.slot < replicas);
      if ("node" in fault) assert.ok(fault.node < nodes);
      if (fault.kind === "daemon-fails" && fault.method === "DisposeWorkspace" && fault.code === 5) assert.ok(fault.afterwards, "no node daemon denies a content that it keeps");
    }
  }
});

test("a plan is read as it was written; what is none is refused", () => {
  const plan = drawPlan(3);
  assert.deepEqual(parsePlan(JSON.stringify(plan)), plan);
  for (const text of ["[]", "{}", JSON.stringify({ ...plan, faults: 1 })]) assert.throws(() => parsePlan(text), /no plan/);
});

/** Breaks a promise where a fault of one kind is left, and two workspaces. */
function run({ lives, faults }: Plan): Promise<{ breaches: { law: string; what: string; at: number }[] }> {
  const found = faults.some(({ kind }) => kind === "compaction") && ["w3", "w11"].every((id) => lives.some((life) => life.id === id));
  return Promise.resolve({ breaches: found ? [{ law: "one", what: "it happened", at: 80_000_000 }] : [{ law: "another", what: "", at: 1 }] });
}

test("a plan is shortened to what breaks the promise, and to no other breach; the story tells what is left", async () => {
  const plan = drawPlan(2, { days: 1, workspaces: 24, faults: 200 });
  const short = await shrink({ ...plan, hours: 24 }, { law: "one", what: "it happened", at: 80_000_000 }, { run, maxRuns: 1_000 });
  assert.deepEqual(short.plan.faults.map(({ kind }) => kind), ["compaction"]);
  assert.deepEqual(short.plan.lives.map(({ id }) => id).toSorted(), ["w11", "w3"]);
  assert.ok(short.plan.lives.every(({ deeds, fault, again }) => deeds.length === 0 && fault === "" && again === undefined));
  assert.equal(short.plan.replicas, 1);
  const told = story(short.plan, short.breach);
  assert.match(told, /compaction/);
  assert.match(told, /BROKEN: one: it happened/);
});

test("shortening ends after so many runs", async () => {
  let runs = 0;
  const short = await shrink(drawPlan(2), { law: "one", what: "", at: 80_000_000 }, { run: () => Promise.resolve({ breaches: runs++ % 2 === 0 ? [{ law: "one", what: "", at: 80_000_000 }] : [] }), maxRuns: 10 });
  assert.equal(runs, 10);
  assert.equal(short.runs, 10);
});
