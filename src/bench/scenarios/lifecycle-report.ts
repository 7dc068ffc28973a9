/** What a run of the scenario lifecycle gives: figures, notes and plots. */
import { decodeFromCompressedBase64 } from "hdr-histogram-js";
import type { Lab } from "../lab.ts";
import type { Lived } from "../load/life-results.ts";
import { mergedPoints } from "../load/timeline.ts";
import type { PackedTimeline, Points } from "../load/timeline.ts";
import { measured } from "../report/figures.ts";
import type { Figures } from "../report/figures.ts";
import { limits, ms, othersNote, shares } from "../report/limits.ts";
import { percentilePlot, timePlot } from "../report/plot.ts";
import type { Plot } from "../report/plot.ts";
import { usagePlots } from "../report/usage-plots.ts";
import type { Outcome } from "./scenario.ts";
import { budgetNote } from "./start-report.ts";

/** What a run found. */
export interface LivesFound {
  readonly lived: Lived;
  /** Requests to the API server; undefined if the daemon does not tell. */
  readonly requests: readonly (readonly [string, number])[] | undefined;
  readonly leftBehind: number;
  readonly backups: { readonly missing: number; readonly twice: number };
  /** On the machine's clock: of the rest before, and of the lives. */
  readonly rest: readonly [number, number];
  readonly load: readonly [number, number];
  /** Seconds after which the daemon still made requests, before anything was started; undefined: it had come to rest. */
  readonly busy: number | undefined;
}

/** Puts together what a run gives. */
export function lifecycleOutcome(lab: Lab, found: LivesFound): Outcome {
  return { figures: figuresOf(lab, found), notes: notesOf(lab, found), plots: plotsOf(lab, found) };
}

function figuresOf(lab: Lab, { lived, requests, leftBehind, backups, rest, load }: LivesFound): Figures {
  return measured({
    ...delayFigures("start_to_running", lived.start), ...delayFigures("start_to_running_overhead", lived.startOverhead), ...delayFigures("stop_to_stopped", lived.stop), ...delayFigures("stop_to_stopped_overhead", lived.stopOverhead),
    api_requests_per_life: perLife(lived, requests, isForLife), events_per_life: perLife(lived, requests, isEvent),
    lives: lived.started, lost: lived.lost, failures: lived.failures, failed: lived.failed, pods_twice: lived.twice,
    stopped_missing: lived.stoppedMissing, stopped_again: lived.again, told_after_stopped: lived.afterwards, stopped_early: lived.early,
    left_behind: leftBehind, backups_missing: backups.missing, backups_twice: backups.twice,
    ...costFigures(lab, "daemon_cpu_percent", "rss_mb", load), ...costFigures(lab, "rest_cpu_percent", "rest_rss_mb", rest), daemon_cpu_ms_per_life: (lab.usage.cost("daemon", ...load)?.cpuMs ?? Number.NaN) / lived.started,
  });
}

function delayFigures(name: string, packed: string): Figures {
  const delays = decodeFromCompressedBase64(packed);
  return { [`${name}_p50_ms`]: ms(delays, 50), [`${name}_p99_ms`]: ms(delays, 99) };
}

function costFigures(lab: Lab, cpu: string, rss: string, time: readonly [number, number]): Readonly<Record<string, number | undefined>> {
  const cost = lab.usage.cost("daemon", ...time);
  return cost ? { [cpu]: cost.cpu * 100, [rss]: cost.rssMb } : {};
}

function perLife({ started }: Lived, requests: LivesFound["requests"], keep: (request: string) => boolean): number | undefined {
  return requests && requests.filter(([request]) => keep(request)).reduce((sum, [, count]) => sum + count, 0) / started;
}

/** Kubernetes Events are written when there is time for them. */
function isEvent(request: string): boolean {
  return request.endsWith(" events");
}

/** The leader's Lease costs the same without any workspace. */
function isForLife(request: string): boolean {
  return !isEvent(request) && !request.endsWith(" leases");
}

function notesOf(lab: Lab, { lived, requests, load: [from, to], busy }: LivesFound): readonly string[] {
  return [
    ...limits(lab.usage, from, to, lived.share, decodeFromCompressedBase64(lived.late)), ...lived.problems,
    ...(requests ? [`requests per life: ${requests.map(([request, count]) => `${request} ${(count / lived.started).toFixed(2)}`).join(", ")}`] : []),
    ...(lived.interrupted ? ["the bare watch was ended by the API server: overheads are of those workspaces that it saw"] : []),
    ...(lab.ownsAll ? [] : ["what the node daemons took is part of the overheads, and no workspaces were made that live on"]),
    ...(busy === undefined ? [] : [`the daemon still made requests ${busy} s before the rest began: rest_* hold what it did`]),
    ...(requests ? othersNote(lab, "api_requests_per_life and events_per_life") : []),
    budgetNote(lab), ...(lab.signal.aborted ? ["ended early by the user"] : []), ...shares(lab.usage, from, to),
  ];
}

function plotsOf(lab: Lab, { lived, rest, load }: LivesFound): readonly Plot[] {
  const delays = decodeFromCompressedBase64;
  // Nothing happens before.
  const begin = (lived.begunAt - rest[0]) / 1000;
  const overTime = (timeline: PackedTimeline): Points => mergedPoints([timeline], (load[1] - lived.begunAt) / 1000).map(([x, y]) => [begin + x, y] as const);
  return [
    percentilePlot("From StartWorkspace to RUNNING, and from StopWorkspace to STOPPED, by percentile", { start: delays(lived.start), stop: delays(lived.stop) }),
    percentilePlot("The same above what cluster and node daemon take", { start: delays(lived.startOverhead), stop: delays(lived.stopOverhead) }),
    timePlot("Throughput", "workspaces/s", { "told as RUNNING": overTime(lived.runningOverTime), "told as STOPPED": overTime(lived.stoppedOverTime) }),
    ...usagePlots(lab, ["daemon", "API server", "lifer"], rest[0], load[1]),
  ];
}
