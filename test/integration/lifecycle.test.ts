/** Whole lives of workspaces, from StartWorkspace to STOPPED, on the built-in cluster with its kubelets and node daemons. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { wsman } from "../../src/gen/proto.js";
import { inPhase, startWholeCluster } from "../support/whole-cluster.ts";
import { until } from "../support/until.ts";

const { RUNNING, STOPPED } = wsman.WorkspacePhase;

test("a workspace is brought up, used, backed up and taken down, and nothing is left of it", async (t) => {
  const whole = await startWholeCluster(t);
  const { start, stop, told, phases } = await whole.daemon();
  await start("one");
  await told("one", "runs", inPhase(RUNNING));
  await stop("one");
  const last = await told("one", "has stopped", inPhase(STOPPED));
  assert.deepEqual(phases("one"), ["PENDING", "CREATING", "INITIALIZING", "RUNNING", "STOPPING", "STOPPED"]);
  assert.equal(last.conditions?.failed, "");
  assert.equal(last.conditions?.finalBackupComplete, wsman.WorkspaceConditionBool.TRUE);
  await until("nothing is left", () => whole.leftovers().length === 0);
  assert.deepEqual(whole.calls(), ["InitWorkspace one", "WaitForInit one", "DisposeWorkspace one"]);
});
