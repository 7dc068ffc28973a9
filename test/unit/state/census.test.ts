/** What is counted of all workspaces. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { WorkspaceFacts } from "../../../src/domain/messages.ts";
import { wsman } from "../../../src/gen/proto.js";
import { ageLimits } from "../../../src/metrics/workspaces.ts";
import { takeCensus } from "../../../src/main/state/census.ts";
import { Registry } from "../../../src/main/state/registry.ts";
import { facts } from "../../support/results.ts";

const { PENDING, CREATING, INITIALIZING, RUNNING, STOPPING, STOPPED, INTERRUPTED } = wsman.WorkspacePhase;
const { REGULAR, PREBUILD } = wsman.WorkspaceType;

const now = Date.UTC(2024, 1, 1);

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
  ]), now);
  assert.deepEqual([...phases].map(({ phase, type, workspaceClass, count }) => [phase, type, workspaceClass, count]), [
    [RUNNING, REGULAR, "a", 2], [STOPPING, REGULAR, "a", 1], [RUNNING, PREBUILD, "a", 1], [RUNNING, REGULAR, "constructor", 1],
  ]);
  assert.deepEqual({ exposedPorts, active, inactive }, { exposedPorts: 3, active: 2, inactive: 2 });
  assert.deepEqual([...timeouts], [["5m", 2], ["1h", 1]]);
});

test("where there is nothing, nothing is counted", () => {
  const { phases, exposedPorts, active, inactive, timeouts, starting, stopping } = takeCensus(new Registry(), now);
  assert.deepEqual({ phases: [...phases], exposedPorts, active, inactive, timeouts: [...timeouts] }, { phases: [], exposedPorts: 0, active: 0, inactive: 0, timeouts: [] });
  assert.deepEqual([starting, stopping], [ageLimits.map(() => 0), ageLimits.map(() => 0)]);
});

test("who starts is counted by the time since its creation, who stops by the time since its deletion, and nobody else", () => {
  const ago = (seconds: number): number => now - seconds * 1000;
  const { starting, stopping } = takeCensus(registryOf([
    { phase: PENDING, createdAt: ago(7_200) }, { phase: CREATING, createdAt: ago(299) }, { phase: INITIALIZING, createdAt: ago(300) },
    // By a clock that is ahead of ours.
    { phase: PENDING, createdAt: ago(-5) },
    { phase: STOPPING, createdAt: ago(90_000), deletedAt: ago(61) }, { phase: STOPPING, createdAt: ago(90_000), deletedAt: ago(1_799) },
    ...[RUNNING, STOPPED, INTERRUPTED].map((phase) => ({ phase, createdAt: ago(90_000), deletedAt: ago(90_000) })),
  ]), now);
  assert.deepEqual(ageLimits, [0, 60, 300, 900, 1800, 3600, 7200]);
  assert.deepEqual(starting, [4, 3, 2, 1, 1, 1, 1]);
  assert.deepEqual(stopping, [2, 2, 1, 1, 0, 0, 0]);
});

test("who stops by itself and is not deleted yet, and whose creation is not known, is counted from the last status", () => {
  // Their last status is of second 1.
  const { starting, stopping } = takeCensus(registryOf([{ phase: STOPPING, deletedAt: undefined }, { phase: PENDING, createdAt: 0 }]), 301_000);
  assert.deepEqual([starting, stopping], [[1, 1, 1, 0, 0, 0, 0], [1, 1, 1, 0, 0, 0, 0]]);
});
