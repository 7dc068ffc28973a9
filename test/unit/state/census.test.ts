/** What is counted of all workspaces. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { WorkspaceFacts } from "../../../src/domain/messages.ts";
import { wsman } from "../../../src/gen/proto.js";
import { takeCensus } from "../../../src/main/state/census.ts";
import { Registry } from "../../../src/main/state/registry.ts";
import { facts } from "../../support/results.ts";

const { RUNNING, STOPPING } = wsman.WorkspacePhase;
const { REGULAR, PREBUILD } = wsman.WorkspaceType;

function registryOf(all: readonly Partial<WorkspaceFacts>[]): Registry {
  const registry = new Registry();
  all.forEach((changes, i) => registry.add({
    uid: `uid-${i}`, resourceVersion: "1", facts: facts({ id: `w${i}`, ...changes }), digest: "", version: { seconds: 1, logical: 0 }, sequence: 0,
    stopped: false, awaitsRunning: false, listGeneration: 0, frame: undefined, place: -1, held: undefined, actions: [], init: undefined, vacant: false, placeholder: undefined, activeAt: undefined, activityWrittenAt: undefined,
  }));
  return registry;
}

test("workspaces are counted by phase, type and class, ports and timeouts over all, activity over regular ones", () => {
  const { phases, exposedPorts, active, inactive, timeouts } = takeCensus(registryOf([
    { phase: RUNNING, type: REGULAR, workspaceClass: "a", exposedPorts: 2, everActive: true, customTimeout: "5m" },
    { phase: RUNNING, type: REGULAR, workspaceClass: "a", exposedPorts: 1, customTimeout: "5m" },
    { phase: STOPPING, type: REGULAR, workspaceClass: "a", everActive: true },
    { phase: RUNNING, type: PREBUILD, workspaceClass: "a", everActive: true },
    { phase: RUNNING, type: REGULAR, workspaceClass: "constructor", customTimeout: "1h" },
  ]));
  assert.deepEqual([...phases].map(({ phase, type, workspaceClass, count }) => [phase, type, workspaceClass, count]), [
    [RUNNING, REGULAR, "a", 2], [STOPPING, REGULAR, "a", 1], [RUNNING, PREBUILD, "a", 1], [RUNNING, REGULAR, "constructor", 1],
  ]);
  assert.deepEqual({ exposedPorts, active, inactive }, { exposedPorts: 3, active: 2, inactive: 2 });
  assert.deepEqual([...timeouts], [["5m", 2], ["1h", 1]]);
});

test("where there is nothing, nothing is counted", () => {
  const { phases, exposedPorts, active, inactive, timeouts } = takeCensus(new Registry());
  assert.deepEqual({ phases: [...phases], exposedPorts, active, inactive, timeouts: [...timeouts] }, { phases: [], exposedPorts: 0, active: 0, inactive: 0, timeouts: [] });
});
