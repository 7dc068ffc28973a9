/** Counts over all workspaces, and the reasons of their ends, for the metrics (spec: metrics). */
import type { WorkspaceFacts } from "../../domain/messages.ts";
import { wsman } from "../../gen/proto.js";
import type { StopReason, WorkspaceCounts } from "../../metrics/workspaces.ts";
import type { Registry } from "./registry.ts";

/** Numbers of phases and types stay below this. */
const enumLimit = 1024;

/** Counts all workspaces; done when somebody scrapes, since changes are more frequent than that. Thousands are counted in a turn of the event loop: nothing is made for each. */
export function takeCensus(registry: Registry): WorkspaceCounts {
  const classes = new Map<string, Map<number, number>>();
  const timeouts = new Map<string, number>();
  let exposedPorts = 0;
  let active = 0;
  let inactive = 0;
  for (const { facts } of registry.records()) {
    const { phase, type, workspaceClass, customTimeout } = facts;
    let counts = classes.get(workspaceClass);
    if (!counts) classes.set(workspaceClass, (counts = new Map<number, number>()));
    increment(counts, phase * enumLimit + type);
    exposedPorts += facts.exposedPorts;
    if (type === wsman.WorkspaceType.REGULAR) {
      if (facts.everActive) active++;
      else inactive++;
    }
    if (customTimeout !== "") increment(timeouts, customTimeout);
  }
  return { phases: phasesOf(classes), exposedPorts, active, inactive, timeouts };
}

function increment<K>(counts: Map<K, number>, key: K): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

function phasesOf(classes: ReadonlyMap<string, ReadonlyMap<number, number>>): WorkspaceCounts["phases"] {
  return [...classes].flatMap(([workspaceClass, counts]) => [...counts].map(([key, count]) => ({ phase: Math.floor(key / enumLimit), type: key % enumLimit, workspaceClass, count })));
}

/** Why a workspace stopped, as metrics tell it. */
export function stopReason(facts: WorkspaceFacts): StopReason {
  if (facts.timedOut !== "") return facts.closed ? "tab-closed" : "timeout";
  return facts.failed === "" ? "regular-stop" : "failed";
}
