/** Metrics of what the lifecycle controller does, as dashboards of installations read them (spec: metrics). */
import { Histogram } from "prom-client";
import type { Registry } from "prom-client";
import { wsman } from "../gen/proto.js";
import { cap, tallyCounters } from "./tally.ts";

/** Whose it is. */
export interface WorkspaceKind {
  /** The workspace's ID, for who listens along: no metric has it. */
  readonly id?: string;
  /** wsman.WorkspaceType. */
  readonly type: number;
  readonly workspaceClass: string;
}

/** What lasted how long, and what became of it. Only the leader does any of it. Seconds. */
export interface LifecycleMetrics {
  initialized(of: WorkspaceKind, seconds: number): void;
  finalized(of: WorkspaceKind, seconds: number): void;
  volumeSnapshot(of: WorkspaceKind, seconds: number): void;
  volumeRestored(of: WorkspaceKind, seconds: number): void;
  /** A backup was to be made. */
  backup(of: WorkspaceKind, succeeded: boolean): void;
  /** Content was to come from a backup. */
  restore(of: WorkspaceKind, succeeded: boolean): void;
}

/** Distinct classes; more than that count as "other". */
const maxClasses = 50;

/** Declares them. */
export function createLifecycleMetrics(registry: Registry): LifecycleMetrics {
  const classLabel = cap(maxClasses);
  const labels = ({ type, workspaceClass }: WorkspaceKind): { readonly type: string; readonly class: string } => ({ type: wsman.WorkspaceType[type] ?? "UNKNOWN", class: classLabel(workspaceClass) });
  const histogram = (name: string, help: string): ((of: WorkspaceKind, seconds: number) => void) => {
    const made = new Histogram({ name: `gitpod_ws_manager_${name}_seconds`, help, labelNames: ["type", "class"], buckets: Array.from({ length: 10 }, (_, i) => 2 * 2 ** i), registers: [registry] });
    return (of, seconds) => made.observe(labels(of), Math.max(0, seconds));
  };
  const outcome = (name: string, what: string): ((of: WorkspaceKind, succeeded: boolean) => void) => {
    const [good, bad] = (["success", "failure"] as const).map((end) => tallyCounters(registry, `gitpod_ws_manager_workspace_${name}_${end}_total`, `${what} (${end}).`, ["type", "class"]));
    return (of, succeeded) => {
      const { type, class: workspaceClass } = labels(of);
      // Both are there from the first of either on: rates do not see what a series begins with.
      const [succeededBefore, failedBefore] = [good?.of(type, workspaceClass), bad?.of(type, workspaceClass)];
      (succeeded ? succeededBefore : failedBefore)?.add();
    };
  };
  return {
    initialized: histogram("workspace_initialize", "Time that a node daemon took to put a workspace's content in place."),
    finalized: histogram("workspace_finalize", "Time that a workspace's finalization took, backup included."),
    volumeSnapshot: histogram("volume_snapshot", "Time until a workspace's volume snapshot was ready."),
    volumeRestored: histogram("volume_restore", "Time from a workspace's creation until its volume, made from a snapshot, was there."),
    backup: outcome("backups", "Backups of workspaces at their end"),
    restore: outcome("restores", "Contents of workspaces from a backup"),
  };
}
