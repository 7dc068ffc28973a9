/** Counts over all workspaces, and what a change of one means for the lifecycle metrics (spec: metrics). */
import type { WorkspaceFacts } from "../../domain/messages.ts";
import { wsman } from "../../gen/proto.js";
import type { StopReason, WorkspaceCounts, WorkspaceMetrics } from "../../metrics/workspaces.ts";
import type { Registry } from "./registry.ts";

const { UNKNOWN, PENDING, CREATING, INITIALIZING, RUNNING, STOPPED } = wsman.WorkspacePhase;
const beforeRunning: ReadonlySet<wsman.WorkspacePhase> = new Set([UNKNOWN, PENDING, CREATING, INITIALIZING]);

/** Counts all workspaces; done when somebody scrapes, since changes are more frequent than that. */
export function takeCensus(registry: Registry): WorkspaceCounts {
  const phases = new Map<string, { phase: number; type: number; workspaceClass: string; count: number }>();
  const timeouts = new Map<string, number>();
  let exposedPorts = 0;
  let active = 0;
  let inactive = 0;
  for (const { facts } of registry.records()) {
    const { phase, type, workspaceClass } = facts;
    const key = `${phase}/${type}/${workspaceClass}`;
    const entry = phases.get(key) ?? { phase, type, workspaceClass, count: 0 };
    entry.count++;
    phases.set(key, entry);
    exposedPorts += facts.exposedPorts;
    if (type === wsman.WorkspaceType.REGULAR) {
      if (facts.everActive) active++;
      else inactive++;
    }
    if (facts.customTimeout !== "") timeouts.set(facts.customTimeout, (timeouts.get(facts.customTimeout) ?? 0) + 1);
  }
  return { phases: phases.values(), exposedPorts, active, inactive, timeouts };
}

/** Records a workspace's first RUNNING and its STOPPED. */
export function recordTransition(metrics: WorkspaceMetrics, before: WorkspaceFacts | undefined, after: WorkspaceFacts | undefined, now: number): void {
  if (!after) return;
  // One that was running when we first saw it was started before our time.
  if (before && after.phase === RUNNING && beforeRunning.has(before.phase) && after.failed === "") {
    metrics.started(after.type, after.workspaceClass, (now - after.createdAt) / 1000);
  }
  if (after.phase === STOPPED && before?.phase !== STOPPED) metrics.stopped(stopReason(after), after.type, after.workspaceClass);
}

function stopReason(facts: WorkspaceFacts): StopReason {
  if (facts.timedOut !== "") return facts.closed ? "tab-closed" : "timeout";
  return facts.failed === "" ? "regular-stop" : "failed";
}
