/** Counts over all workspaces, and the reasons of their ends, for the metrics (spec: metrics). */
import type { WorkspaceFacts } from "../../domain/messages.ts";
import { wsman } from "../../gen/proto.js";
import type { StopReason, WorkspaceCounts } from "../../metrics/workspaces.ts";
import type { Registry } from "./registry.ts";

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

/** Why a workspace stopped, as metrics tell it. */
export function stopReason(facts: WorkspaceFacts): StopReason {
  if (facts.timedOut !== "") return facts.closed ? "tab-closed" : "timeout";
  return facts.failed === "" ? "regular-stop" : "failed";
}
