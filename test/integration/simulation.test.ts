/** Simulated days: nothing that is promised is broken, the same seed gives the same day, and what breaks a promise is found and told as a short story. */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { wsman } from "../../src/gen/proto.js";
import { drawPlan } from "../support/simulation/draw.ts";
import { runPlan } from "../support/simulation/run.ts";
import { shrink, story } from "../support/simulation/shrink.ts";
import type { Simulation } from "../support/simulation/simulation.ts";

const seeds = [1, 2, 3];
/** Above eight hours, with looks at the Lease that are rare enough for the suite. */
const amount = { days: 0.35, workspaces: 40, faults: 80 };

test("on bad working days no promise is broken", async (t) => {
  for (const seed of seeds) {
    const plan = drawPlan(seed, amount);
    const { breaches, counts } = await runPlan(plan);
    assert.deepEqual(breaches, [], `seed ${seed}: ${story(plan, breaches[0] ?? { law: "", what: "", at: 0 })}`);
    assert.ok((counts.get("workspaces lived") ?? 0) > 5 && (counts.get("requests to the API server") ?? 0) > 300);
    t.diagnostic(`seed ${seed}: ${[...counts].map(([what, times]) => `${times} ${what}`).join(", ")}`);
  }
});

test("the same plan gives the same day, to the byte; another one gives another", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "wsmand-simulation-"));
  t.after(() => rm(folder, { recursive: true }));
  const logs: Buffer[] = [];
  const digests: string[] = [];
  for (const [i, seed] of [7, 7, 8].entries()) {
    const file = join(folder, String(i));
    digests.push((await runPlan(drawPlan(seed, amount), { file })).digest);
    logs.push(await readFile(file));
  }
  assert.ok((logs[0]?.length ?? 0) > 10_000);
  assert.ok(logs[0]?.equals(logs[1] ?? Buffer.alloc(0)));
  assert.equal(digests[0], digests[1]);
  assert.notEqual(digests[0], digests[2]);
});

/** Daemons that take what was closed for what is to be ended, at once. */
function hasty(simulation: Simulation): void {
  simulation.decisions = (result) => ({
    ...result,
    results: result.results.map((line) => (line.kind === "workspace" && line.facts.closed && line.facts.phase === wsman.WorkspacePhase.RUNNING ? { ...line, actions: [{ action: "deletePod", gracePeriodSeconds: 30 }] } : line)),
  });
}

test("a promise that is broken is found, and shortened to what it takes", async () => {
  const plan = drawPlan(11, { days: 0.35, workspaces: 80, faults: 20 });
  const broken = { prepare: hasty };
  const { breaches } = await runPlan(plan, broken);
  const [breach] = breaches;
  assert.ok(breach, "it is found");
  const short = await shrink(plan, breach, { run: (shorter) => runPlan(shorter, broken), maxRuns: 80 });
  assert.equal(short.breach.law, "nothing is deleted that was not to be");
  assert.ok(short.plan.faults.length === 0 && short.plan.lives.length === 1, story(short.plan, short.breach));
});

test("what is thrown by a timer is told as a broken promise of that day", async () => {
  const { breaches } = await runPlan(drawPlan(12, { days: 0.1, workspaces: 10, faults: 0 }), { prepare: ({ clock }) => void clock.timer(1_000, () => {
    throw new Error("of a timer");
  }) });
  assert.deepEqual(breaches.map(({ law }) => law), ["nothing is thrown into the event loop"]);
  assert.match(breaches[0]?.what ?? "", /of a timer/);
});
