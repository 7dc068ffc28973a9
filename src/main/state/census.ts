/** Counts over all workspaces, and the reasons of their ends, for the metrics (spec: metrics). */
import type { WorkspaceFacts } from "../../domain/messages.ts";
import { wsman } from "../../gen/proto.js";
import { ageLimits, type StopReason, type WorkspaceCounts } from "../../metrics/workspaces.ts";
import type { Registry, WorkspaceRecord } from "./registry.ts";

const { PENDING, CREATING, INITIALIZING, STOPPING } = wsman.WorkspacePhase;

/** Numbers of phases and types stay below this. */
const enumLimit = 1024;

/**
 * Counts all workspaces; done when somebody scrapes, since changes are more frequent than that. Thousands are counted in a turn of the event loop: nothing is made for each.
 * @param now Unix milliseconds; ages are counted until then.
 */
export function takeCensus(registry: Registry, now: number): WorkspaceCounts {
  const classes = new Map<string, Map<number, number>>();
  const timeouts = new Map<string, number>();
  let exposedPorts = 0;
  let active = 0;
  let inactive = 0;
  const ages = { starting: ageLimits.map(() => 0), stopping: ageLimits.map(() => 0) };
  for (const record of registry.records()) {
    const { facts } = record;
    const { phase, type, workspaceClass, customTimeout } = facts;
    countStage(ages, record, now);
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
  return { phases: phasesOf(classes), exposedPorts, active, inactive, timeouts, ...ages };
}

/** A pod whose containers ended by themselves is in STOPPING before it is deleted, and a creation may be told wrongly: then it counts from the last status. */
function countStage(ages: { readonly starting: number[]; readonly stopping: number[] }, { facts, version }: WorkspaceRecord, now: number): void {
  const { phase, createdAt, deletedAt } = facts;
  if (phase === STOPPING) countAge(ages.stopping, now - (deletedAt ?? version.seconds * 1000));
  else if (phase === PENDING || phase === CREATING || phase === INITIALIZING) countAge(ages.starting, now - (createdAt || version.seconds * 1000));
}

function countAge(counts: number[], ageMs: number): void {
  // Where the API server's clock is ahead of ours, what is new is not less than that.
  const ageSeconds = Math.max(0, ageMs / 1000);
  for (let i = 0; i < counts.length && ageSeconds >= (ageLimits[i] ?? Infinity); i++) counts[i] = (counts[i] ?? 0) + 1;
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
