/** Metrics of workspaces: what there is now and what became of them, as dashboards of installations read them (spec: metrics). */
import { Gauge, Histogram } from "prom-client";
import type { Registry } from "prom-client";
import { wsman } from "../gen/proto.js";
import { cap, tallyCounter, tallyCounters } from "./tally.ts";

/** What there is at the moment; asked for when somebody scrapes. */
export interface WorkspaceCounts {
  /** Workspaces by wsman.WorkspacePhase, wsman.WorkspaceType and class ID. The same combination may come several times. */
  readonly phases: Iterable<{ readonly phase: number; readonly type: number; readonly workspaceClass: string; readonly count: number }>;
  readonly exposedPorts: number;
  /** Regular workspaces with activity, and without any so far. */
  readonly active: number;
  readonly inactive: number;
  /** Workspaces by custom timeout, as it stands in the annotation. */
  readonly timeouts: Iterable<readonly [timeout: string, count: number]>;
  /** Workspaces that do not run yet, since their creation, and those in STOPPING, since their deletion: how many are at least as old as each of `ageLimits`. */
  readonly starting: readonly number[];
  readonly stopping: readonly number[];
}

/** Ages by which workspaces that start or stop are counted, seconds. */
export const ageLimits: readonly number[] = [0, 60, 300, 900, 1800, 3600, 7200];

/** Why a workspace stopped (label `reason`). */
export type StopReason = "tab-closed" | "timeout" | "failed" | "regular-stop";

/** Metrics of workspaces. Only the leader reports them, so that sums over replicas are right; but starts, which are counted where they were asked for. */
export interface WorkspaceMetrics {
  /** Where the gauges come from; the last one given counts. */
  source(read: () => WorkspaceCounts): void;
  /** A workspace's pod was made for a call of StartWorkspace. @param type its name in wsman.WorkspaceType. */
  created(type: string, workspaceClass: string): void;
  /** A workspace reached RUNNING for the first time, so many seconds after its creation. @param id for who listens along: no metric has it. */
  started(type: number, workspaceClass: string, seconds: number, id?: string): void;
  /** A workspace reached STOPPED. @param neverRan it was seen before it ran, and never did. */
  stopped(reason: StopReason, type: number, workspaceClass: string, neverRan: boolean): void;
  /** The wall clock ran backwards. */
  clockRanBackwards(): void;
}

/** Ends of a workspace that never ran which are failures of its start: the others are its user's wish. */
const startFailures: ReadonlySet<StopReason> = new Set<StopReason>(["failed", "timeout"]);

/** Distinct values of the labels that come from pods; more than that count as "other". */
const maxClasses = 50;
const maxTimeouts = 50;

/** Declares the metrics of workspaces. `leads` says whether this replica reports what happens, `leadsNow`, when somebody scrapes, whether it reports what there is. */
export function createWorkspaceMetrics(registry: Registry, leads: () => boolean, leadsNow: () => boolean): WorkspaceMetrics {
  let read: (() => WorkspaceCounts) | undefined;
  const counts = (): WorkspaceCounts | undefined => (leadsNow() ? read?.() : undefined);
  const classLabel = cap(maxClasses);
  gauges(registry, counts, classLabel);
  const startup = new Histogram({
    name: "gitpod_ws_manager_workspace_startup_seconds",
    help: "Time from a workspace's creation to its first RUNNING.",
    labelNames: ["type", "class"],
    buckets: Array.from({ length: 10 }, (_, i) => 2 * 2 ** i),
    registers: [registry],
  });
  const starts = tallyCounters(registry, "gitpod_ws_manager_workspace_starts_total", "Workspaces that were started successfully.", ["type", "class"]);
  const stops = tallyCounters(registry, "gitpod_ws_manager_workspace_stops_total", "Workspaces that stopped, by reason.", ["reason", "type", "class"]);
  const failures = tallyCounters(registry, "wsmand_workspace_start_failures_total", "Workspaces that ended without having run, because they failed or timed out, by reason.", ["reason", "type", "class"]);
  const backwards = tallyCounter(registry, "gitpod_ws_manager_wall_time_monotonicity_violation_total", "Times that the wall clock ran backwards.");
  return {
    source(given) {
      read = given;
    },
    created: (type, workspaceClass) => starts.of(type, classLabel(workspaceClass)).add(),
    started(type, workspaceClass, seconds) {
      if (!leads() || seconds < 0) return;
      const [typeName, className] = [typeLabel(type), classLabel(workspaceClass)];
      startup.observe({ type: typeName, class: className }, seconds);
      // There at zero before the first failure: rates do not see what a series begins with.
      for (const reason of startFailures) failures.of(reason, typeName, className);
    },
    stopped(reason, type, workspaceClass, neverRan) {
      if (!leads()) return;
      const [typeName, className] = [typeLabel(type), classLabel(workspaceClass)];
      stops.of(reason, typeName, className).add();
      if (neverRan && startFailures.has(reason)) failures.of(reason, typeName, className).add();
    },
    clockRanBackwards: () => backwards.add(),
  };
}

function gauges(registry: Registry, counts: () => WorkspaceCounts | undefined, classLabel: (value: string) => string): void {
  registry.registerMetric(new Gauge({
    name: "gitpod_ws_manager_workspace_phase_total",
    help: "Workspaces now, by phase.",
    labelNames: ["phase", "type", "class"],
    registers: [],
    collect() {
      this.reset();
      for (const { phase, type, workspaceClass, count } of counts()?.phases ?? []) {
        this.inc({ phase: phaseLabel(phase), type: typeLabel(type), class: classLabel(workspaceClass) }, count);
      }
    },
  }));
  registry.registerMetric(new Gauge({
    name: "gitpod_ws_manager_exposed_ports",
    help: "Ports of workspaces exposed now.",
    registers: [],
    collect() {
      this.set(counts()?.exposedPorts ?? 0);
    },
  }));
  registry.registerMetric(new Gauge({
    name: "gitpod_ws_manager_workspace_activity_total",
    help: "Regular workspaces with and without activity.",
    labelNames: ["active"],
    registers: [],
    collect() {
      const now = counts();
      this.set({ active: "true" }, now?.active ?? 0);
      this.set({ active: "false" }, now?.inactive ?? 0);
    },
  }));
  timeoutGauge(registry, counts);
  ageGauge(registry, "starting", "Workspaces that do not run yet, by time since their creation: each is counted under every age (seconds) that it has reached.", counts);
  ageGauge(registry, "stopping", "Workspaces in STOPPING, by time since their deletion: each is counted under every age (seconds) that it has reached.", counts);
}

function ageGauge(registry: Registry, which: "starting" | "stopping", help: string, counts: () => WorkspaceCounts | undefined): void {
  registry.registerMetric(new Gauge({
    name: `wsmand_workspaces_${which}`,
    help,
    labelNames: ["older_than"],
    registers: [],
    collect() {
      this.reset();
      const now = counts()?.[which];
      if (now) for (const [i, limit] of ageLimits.entries()) this.set({ older_than: String(limit) }, now[i] ?? 0);
    },
  }));
}

function timeoutGauge(registry: Registry, counts: () => WorkspaceCounts | undefined): void {
  registry.registerMetric(new Gauge({
    name: "wsman_workspace_timeout_settings_total",
    help: "Workspaces with a timeout of their own, by that timeout.",
    labelNames: ["timeout"],
    registers: [],
    collect() {
      this.reset();
      const label = cap(maxTimeouts);
      for (const [timeout, count] of counts()?.timeouts ?? []) this.inc({ timeout: label(timeout.slice(0, 32)) }, count);
    },
  }));
}

/** A phase's name. */
export function phaseLabel(phase: number): string {
  return wsman.WorkspacePhase[phase] ?? "UNKNOWN";
}

/** A type's name. */
export function typeLabel(type: number): string {
  return wsman.WorkspaceType[type] ?? "UNKNOWN";
}
