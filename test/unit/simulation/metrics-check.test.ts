/** What simulations take for wrong metrics. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { wsman } from "../../../src/gen/proto.js";
import { createMetrics } from "../../../src/metrics/registry.ts";
import { Ledger } from "../../support/simulation/laws.ts";
import { MetricsCheck, type Happened } from "../../support/simulation/metrics-check.ts";

const { REGULAR } = wsman.WorkspaceType;
const kind = { type: REGULAR, workspaceClass: "default" };

/** One process led from the beginning, one follows: two lives were begun, one was saved, one could not be. */
async function judged(count: (metrics: ReturnType<typeof createMetrics>, check: MetricsCheck) => void, changes: Partial<Happened> = {}): Promise<readonly string[]> {
  const [leader, follower] = [createMetrics({ process: false }), createMetrics({ process: false })];
  const check = new MetricsCheck();
  check.add("r0", leader);
  check.add("r1", follower);
  follower.leader(false);
  check.leads("r0", true);
  for (let i = 0; i < 2; i++) {
    leader.workspaces.created("REGULAR", "default");
    leader.workspaces.stopped("regular-stop", REGULAR, "default", false);
    leader.lifecycle.backup(kind, i === 0);
    for (const name of ["r0", "r1"]) check.endTold(name);
  }
  count(leader, check);
  const ledger = new Ledger(() => 0, () => {});
  await check.judge({ begun: 2, answered: 2, saved: 1, unsaved: 1, undisturbed: true, able: new Set(["r0", "r1"]), ...changes }, ledger);
  return ledger.breaches.map(({ what }) => what);
}

test("metrics that say what happened are right; what was disturbed may have been counted by nobody", async () => {
  assert.deepEqual(await judged(() => {}), []);
  assert.deepEqual(await judged(() => {}, { saved: 2, unsaved: 2, begun: 3, undisturbed: false }), []);
});

test("what is counted twice, or not, is told, and so is a second leader", async () => {
  assert.deepEqual(await judged(({ workspaces }) => workspaces.stopped("timeout", REGULAR, "default", false)), ["r0: 3 ends, where it told 2 while it led"]);
  assert.deepEqual(await judged((_, check) => check.endTold("r0")), ["r0: 2 ends, where it told 3 while it led"]);
  assert.deepEqual(await judged(({ lifecycle }) => lifecycle.backup(kind, true), { undisturbed: false }), ["2 backups made instead of 0 to 1"]);
  assert.deepEqual(await judged(() => {}, { saved: 2, unsaved: 2 }), ["1 backups made instead of 2", "1 backups that failed instead of 2"]);
  assert.deepEqual(await judged(() => {}, { begun: 1, answered: 1 }), ["2 starts instead of 1"]);
  assert.deepEqual(await judged((_, check) => check.add("r2", createMetrics({ process: false })), { able: new Set(["r0", "r2"]) }), ["2 leaders instead of 1"]);
});
