/** Figures, notes and curves of a soak. */
import { decodeFromCompressedBase64 } from "hdr-histogram-js";
import type { Histogram } from "hdr-histogram-js";
import type { Lab } from "../lab.ts";
import type { LoadResult } from "../load/run.ts";
import type { Calls, Churn, Scrape, Visits } from "../load/soak-results.ts";
import { mergedPoints, pointsOf } from "../load/timeline.ts";
import type { Points } from "../load/timeline.ts";
import type { Breaks } from "../load/watch-breaks.ts";
import { measured, median } from "../report/figures.ts";
import type { Figures } from "../report/figures.ts";
import { endedEarly, lateness, limits, ms, notTaken, shares } from "../report/limits.ts";
import { percentilePlot, thinned, timePlot } from "../report/plot.ts";
import type { Plot } from "../report/plot.ts";
import { trendOf } from "../report/trend.ts";
import type { Trend } from "../report/trend.ts";
import type { Outcome } from "./scenario.ts";

/** What a soak found. */
export interface Soaked {
  readonly load: LoadResult;
  /** Undefined: this cluster's watches can not be broken. */
  readonly broken: Breaks | undefined;
  readonly visits: Visits;
  readonly lives: Churn;
  readonly calls: Calls;
}

/** Shorter runs tell little of growth: the heap is still finding its size. Seconds. */
const tellingSeconds = 1800;
/** Windows of a trend: one a minute, within these bounds. */
const minWindows = 12;
const maxWindows = 120;

/** Puts together what a run gives. */
export function soakOutcome(lab: Lab, soaked: Soaked): Outcome {
  const memory = memoryOf(lab, soaked);
  return { figures: soakFigures(lab, soaked, memory), notes: soakNotes(lab, soaked, memory), plots: soakPlots(lab, soaked, memory) };
}

/** Memory over the measured time, in seconds and MiB; the trends are per hour. */
interface Memory {
  readonly rss: Points;
  readonly heap: Points;
  readonly rssTrend: Trend | undefined;
  readonly heapTrend: Trend | undefined;
}

function memoryOf(lab: Lab, { load, calls }: Soaked): Memory {
  const { from, to } = load;
  const seen = lab.usage.memory("daemon", from, to);
  const rss = seen.length > 0 ? seen : scraped(calls, from, to, ({ rssMb }) => rssMb);
  const heap = scraped(calls, from, to, ({ heapMb }) => heapMb);
  return { rss, heap, rssTrend: hourly(rss), heapTrend: hourly(heap) };
}

/** What the metrics told, over the time between. */
function scraped({ seen }: Calls, from: number, to: number, read: (scrape: Scrape) => number | undefined): Points {
  return seen.filter(({ at }) => at >= from && at <= to).flatMap((scrape) => {
    const value = read(scrape);
    return value === undefined ? [] : [[(scrape.at - from) / 1000, value] as const];
  });
}

function hourly(points: Points): Trend | undefined {
  const minutes = (points.at(-1)?.[0] ?? 0) / 60;
  const trend = trendOf(points, Math.min(maxWindows, Math.max(minWindows, Math.round(minutes))));
  return trend && { slope: trend.slope * 3600, noise: trend.noise * 3600 };
}

function soakFigures(lab: Lab, { load, broken, visits, calls, lives }: Soaked, memory: Memory): Figures {
  const { from, to } = load;
  const cost = lab.usage.cost("daemon", from, to);
  return measured({
    ...memoryFigures("rss", memory.rss, memory.rssTrend), ...(cost && { rss_max_mb: cost.rssMaxMb }), rss_mb: memory.rss.at(-1)?.[1],
    ...memoryFigures("heap", memory.heap, memory.heapTrend),
    heap_total_mb: scraped(calls, from, to, ({ heapTotalMb }) => heapTotalMb).at(-1)?.[1],
    status_cache_growth_mb: growth(scraped(calls, from, to, ({ cacheMb }) => cacheMb)),
    ...loadFigures(load, visits),
    daemon_cpu_us_per_change: cost && load.changes > 0 ? (cost.cpuMs * 1000) / load.changes : undefined,
    ...visitFigures(visits), ...lifeFigures(lives), ...callFigures(calls, from, to),
    watch_breaks: broken?.breaks, compactions: broken?.compactions,
  });
}

/** First and last are the medians of a tenth of what is known. */
function memoryFigures(what: "rss" | "heap", points: Points, trend: Trend | undefined): Readonly<Record<string, number | undefined>> {
  const values = points.map(([, value]) => value);
  const tenth = Math.max(1, Math.floor(values.length / 10));
  return {
    [`${what}_slope_mb_per_h`]: trend?.slope, [`${what}_slope_noise_mb_per_h`]: trend?.noise,
    [`${what}_first_mb`]: median(values.slice(0, tenth)), [`${what}_last_mb`]: median(values.slice(-tenth)), [`${what}_max_mb`]: largest(points),
  };
}

function loadFigures({ balance, latency, ended, changesPerSecond }: LoadResult, visits: Visits): Figures {
  return {
    ...balance,
    repeated: balance.repeated + visits.repeated, reordered: balance.reordered + visits.reordered,
    streams_ended: ended,
    latency_p50_ms: ms(latency, 50), latency_p99_ms: ms(latency, 99), latency_max_ms: latency.maxValue / 1000,
    changes_per_s: changesPerSecond,
  };
}

function visitFigures({ connects, failures, incomplete, complete }: Visits): Figures {
  const delays = decodeFromCompressedBase64(complete);
  return { connects, connect_failures: failures, incomplete, connect_p50_ms: ms(delays, 50), connect_p99_ms: ms(delays, 99), connect_max_ms: delays.maxValue / 1000 };
}

function lifeFigures({ deleted, stopped, missing, again, afterwards, early, unseen, failures, stoppedDelays }: Churn): Figures {
  return {
    deleted, stopped, stopped_missing: missing, stopped_again: again, told_after_stopped: afterwards, stopped_early: early, untold: unseen, churn_failures: failures,
    stopped_p99_ms: ms(decodeFromCompressedBase64(stoppedDelays), 99),
  };
}

function callFigures(calls: Calls, from: number, to: number): Readonly<Record<string, number | undefined>> {
  const last = calls.seen.at(-1);
  const first = calls.seen[0];
  return {
    gets: calls.gets, describes: calls.describes, get_failures: calls.failures,
    get_p99_ms: ms(decodeFromCompressedBase64(calls.getDelays), 99), describe_p99_ms: ms(decodeFromCompressedBase64(calls.describeDelays), 99),
    scrapes: calls.scrapes, scrape_failures: calls.scrapeFailures,
    loop_delay_max_ms: largest(scraped(calls, from, to, ({ loopDelayMs }) => loopDelayMs)),
    relists: since(first?.relists, last?.relists), skipped_pods: since(first?.skippedPods, last?.skippedPods),
    worker_restarts: since(first?.workerRestarts, last?.workerRestarts), stalled_ended: since(first?.endedStalled, last?.endedStalled),
  };
}

/** How much a counter grew; one that had no value yet began at 0. Undefined if it is not told of at all. */
function since(first: number | undefined, last: number | undefined): number | undefined {
  return last === undefined ? undefined : last - (first ?? 0);
}

function growth(points: Points): number | undefined {
  const [first, last] = [points[0], points.at(-1)];
  return first && last && last[1] - first[1];
}

function largest(points: Points): number | undefined {
  return points.length === 0 ? undefined : points.reduce((most, [, value]) => Math.max(most, value), 0);
}

/** What must be said beside the figures. */
function soakNotes(lab: Lab, soaked: Soaked, memory: Memory): readonly string[] {
  const { load, visits, lives, broken, calls } = soaked;
  const { from, to } = load;
  return [
    ...limits(lab.usage, from, to, Math.max(load.share, visits.share, lives.share, calls.share), load.late), ...lateness(load.balance, load.waited),
    ...growthNotes(memory, (to - from) / 1000),
    ...notTaken(load.failedWrites),
    ...endedEarly(load.ended, load.why),
    ...(visits.repeated + visits.reordered > 0 ? [`of what came twice or out of order, ${visits.repeated} and ${visits.reordered} came to subscribers that come and go`] : []),
    ...(visits.skipped + lives.skipped > 0 ? [`${visits.skipped} subscribers and ${lives.skipped} workspaces did not come, since too many were there`] : []),
    ...(broken ? [] : ["watches were not broken: only a built-in cluster can do that"]),
    ...(broken && broken.problem !== "" ? [`a watch could not be broken: ${broken.problem}`] : []),
    ...visits.problems, ...lives.problems, ...calls.problems,
    ...(lab.signal.aborted ? ["ended early by the user"] : []),
    ...shares(lab.usage, from, to),
  ];
}

/** Whether memory grows, or why that can not be told. @param seconds that were measured. */
export function growthNotes({ rssTrend, heapTrend }: Pick<Memory, "rssTrend" | "heapTrend">, seconds: number): readonly string[] {
  if (!rssTrend && !heapTrend) return ["too short, or nothing known of the daemon's memory (--pid, --metrics): no growth is told"];
  const told = Object.entries({ "resident memory": rssTrend, heap: heapTrend }).map(([what, trend]) => (trend ? `${what} ${verdict(trend)}` : `of ${what} there are too few readings to tell a growth (--pid, --metrics)`));
  return [told.join(", "), ...(seconds < tellingSeconds ? [`so short a run (${Math.round(seconds)} s) tells little of growth: the heap is still finding its size; take half an hour at least`] : [])];
}

function verdict({ slope, noise }: Trend): string {
  const numbers = `${slope.toFixed(1)} MiB/h ± ${noise.toFixed(1)}`;
  return Math.abs(slope) <= noise ? `does not grow or shrink beyond the noise (${numbers})` : `${slope > 0 ? "grows" : "shrinks"} by ${numbers}`;
}

/** Curves over the measured time. */
function soakPlots(lab: Lab, { load, visits, calls, lives }: Soaked, { rss, heap }: Memory): readonly Plot[] {
  const { from, to, plan } = load;
  const told = (read: (scrape: Scrape) => number | undefined): Points => thinned(scraped(calls, from, to, read));
  const measuredOnly = (points: Points, begin: number): Points => points.flatMap(([x, y]) => {
    const at = x + (begin - from) / 1000;
    return at >= 0 ? [[at, y] as const] : [];
  });
  const until = (to - visits.startedAt) / 1000;
  return [
    timePlot("Memory", "MiB", { resident: thinned(rss), "heap in use": thinned(heap), "heap taken": told(({ heapTotalMb }) => heapTotalMb), "outside the heap": told(({ externalMb }) => externalMb), "status cache": told(({ cacheMb }) => cacheMb) }),
    timePlot("Throughput", "messages/s", { "to subscribers that stay": measuredOnly(pointsOf(load.deliveredPerSecond, "sum", (to - plan.startAt) / 1000), plan.startAt), "to those that come and go": measuredOnly(mergedPoints([visits.messages], until), visits.startedAt) }),
    timePlot("Longest delay at a time", "ms", { "from due to delivered": measuredOnly(pointsOf(load.longestPerSecond, "max"), plan.startAt), "until the initial state is complete": measuredOnly(mergedPoints([visits.slowest], until), visits.startedAt) }),
    percentilePlot("Delay by percentile", delaysOf(load.latency, visits, lives, calls)),
    timePlot("Longest delay of the event loop", "ms", { daemon: told(({ loopDelayMs }) => loopDelayMs) }),
    timePlot("Subscribers", "streams", { open: told(({ subscribers }) => subscribers) }),
    timePlot("CPU", "cores", { daemon: lab.usage.curves("daemon", from, to).cpu }),
  ];
}

function delaysOf(latency: Histogram, visits: Visits, lives: Churn, calls: Calls): Readonly<Record<string, Histogram>> {
  return {
    "from due to delivered": latency,
    "until the initial state is complete": decodeFromCompressedBase64(visits.complete),
    "from a deletion to STOPPED": decodeFromCompressedBase64(lives.stoppedDelays),
    GetWorkspaces: decodeFromCompressedBase64(calls.getDelays),
    DescribeWorkspace: decodeFromCompressedBase64(calls.describeDelays),
  };
}
