/** Scenario stream: changes at a fixed rate, from the write to every subscriber. */
import { runLoad } from "../load/run.ts";
import type { LoadResult } from "../load/run.ts";
import { pointsOf } from "../load/timeline.ts";
import type { Lab } from "../lab.ts";
import { measured } from "../report/figures.ts";
import type { Figures } from "../report/figures.ts";
import { endedEarly, lateness, limits, ms, notTaken, othersNote, shares } from "../report/limits.ts";
import { percentilePlot, timePlot } from "../report/plot.ts";
import type { Plot } from "../report/plot.ts";
import type { Outcome, Scenario } from "./scenario.ts";

export const stream: Scenario = {
  summary: "the delay of changes at a fixed rate, from the write to the subscribers",
  uses: ["stalled"],
  defaults: {},
  needs: { pid: ["daemon_cpu_us_per_change"], pidOrMetrics: ["daemon_rss_mb"], metrics: ["api_requests"] },
  run: async (lab) => {
    await lab.workspaces(lab.options.workspaces);
    await using daemon = await lab.daemon();
    await daemon.synced();
    const result = await runLoad(lab, daemon, lab.options.stalled);
    return { figures: streamFigures(lab, result), notes: streamNotes(lab, result), plots: streamPlots(lab, result) };
  },
};

/** The figures of a load. Delays in milliseconds. */
export function streamFigures(lab: Lab, result: LoadResult): Figures {
  const { latency, added, late, answered, balance, from, to } = result;
  const cost = lab.usage.cost("daemon", from, to);
  const perChange = cost && result.changes > 0 ? (cost.cpuMs * 1000) / result.changes : undefined;
  return measured({
    latency_p50_ms: ms(latency, 50), latency_p99_ms: ms(latency, 99), latency_max_ms: latency.totalCount > 0 ? latency.maxValue / 1000 : undefined,
    added_p50_ms: ms(added, 50), added_p99_ms: ms(added, 99),
    changes_per_s: result.changesPerSecond,
    ...balance,
    daemon_cpu_us_per_change: perChange,
    daemon_rss_mb: cost?.rssMb ?? result.told?.rssMb,
    api_requests: result.requests ? requestsOfOthers(result.requests, result.sent) : result.told?.requests,
    write_p50_ms: ms(answered, 50), write_p99_ms: ms(answered, 99), late_p99_ms: ms(late, 99),
    line_bytes: result.lineBytes,
  });
}

/** Curves of a load. */
export function streamPlots(lab: Lab, { latency, added, plan, to, deliveredPerSecond, longestPerSecond }: LoadResult): readonly Plot[] {
  const { rss, cpu } = lab.usage.curves("daemon", plan.startAt, to);
  const points = (values: readonly number[]): (readonly [number, number])[] => values.map((value, second) => [second + 0.5, value]);
  return [
    percentilePlot("Delay by percentile", { "from due to delivered": latency, "over a bare watch, to the last subscriber": added }),
    timePlot("Longest delay in each second", "ms", { "from due to delivered": points(longestPerSecond) }),
    timePlot("Throughput", "messages/s", { "delivered to all subscribers": pointsOf(deliveredPerSecond, "sum", (to - plan.startAt) / 1000) }),
    timePlot("Resident memory", "MiB", { daemon: rss }),
    timePlot("CPU", "cores", { daemon: cpu }),
  ];
}

/** All requests but the writer's own patches of pods, and watches, which are renewed now and then whatever happens. @param sent by the writer. */
function requestsOfOthers(requests: ReadonlyMap<string, number>, sent: number): number {
  let sum = 0;
  for (const [kind, count] of requests) if (!kind.startsWith("watch ")) sum += kind === "patch pods/" ? Math.max(0, count - sent) : count;
  return sum;
}

/** What must be said beside them. */
export function streamNotes(lab: Lab, result: LoadResult): Outcome["notes"] {
  const notes = [...loadNotes(lab, result)];
  if ((result.requests ?? result.told?.requests) !== undefined) notes.push(...othersNote(lab, "api_requests"));
  if (lab.signal.aborted) notes.push("ended early by the user");
  return [...notes, ...shares(lab.usage, result.from, result.to)];
}

/** The part of them that tells what was wrong with a load. */
export function loadNotes(lab: Lab, result: LoadResult): Outcome["notes"] {
  const notes = [...limits(lab.usage, result.from, result.to, result.share, result.late), ...lateness(result.balance, result.waited)];
  notes.push(...notTaken(result.failedWrites));
  if (result.disorderedLines > 0) notes.push(`the cluster itself brought ${result.disorderedLines} changes in another order than they were due: reordered does not tell of the daemon`);
  if (result.watchEnded) notes.push("the bare watch was ended by the API server: added_* hold only what it saw");
  notes.push(...endedEarly(result.ended, result.why));
  return notes;
}
