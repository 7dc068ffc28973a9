/** Scenario relist: a stream while the watches are broken again and again, and the API server has forgotten what they missed: all workspaces are listed anew each time. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Lab } from "../lab.ts";
import { machineNow } from "../load/clock.ts";
import { dueAt, endOf } from "../load/plan.ts";
import type { Plan } from "../load/plan.ts";
import { runLoad } from "../load/run.ts";
import type { LoadResult } from "../load/run.ts";
import { compactAndCut } from "../load/watch-breaks.ts";
import type { Daemon } from "../parts/daemon.ts";
import { beyondSampler, loopDelayMetric, loopDelayMs, metrics } from "../parts/daemon.ts";
import { measured, median } from "../report/figures.ts";
import { timePlot } from "../report/plot.ts";
import type { Scenario } from "./scenario.ts";
import { streamFigures, streamNotes, streamPlots } from "./stream.ts";

/** Share of the measured time without breaks, before they begin: what the same load does then. */
const quietShare = 1 / 3;
/** From one break to the next, at least; and from the end of a list. */
const everyMs = 3000;
const restMs = 1000;
const pollMs = 500;
/** How long a list may take. */
const timeoutMs = 60_000;
const listedAt = 'wsmand_last_list_timestamp_seconds{resource="pods"}';

/** What was seen of the breaks. */
interface Breaks {
  /** When they began, on the machine's clock. */
  readonly from: number;
  /** Per break that led to a complete list, the time until it had taken effect, seconds. */
  readonly readySeconds: readonly number[];
  /** The last one did, too. */
  readonly complete: boolean;
  /** Longest delays of the event loop, milliseconds: before the breaks, and from the first one on. */
  readonly quietDelay: number | undefined;
  readonly delay: number | undefined;
}

export const relist: Scenario = {
  summary: "a stream while its watches are broken again and again so that all workspaces are listed anew",
  uses: ["stalled"],
  defaults: { workspaces: 10_000, subscribers: 10, rate: 200, seconds: 24 },
  refuses: ({ kubeconfig }) => (kubeconfig === undefined ? undefined : "relist breaks the watches of the built-in API server: it can not be used with --target or --kubeconfig"),
  run: async (lab) => {
    await lab.workspaces(lab.options.workspaces);
    await using daemon = await lab.daemon();
    await daemon.synced();
    let breaks: Breaks | undefined;
    const result = await runLoad(lab, daemon, lab.options.stalled, "each", async (plan) => {
      breaks = await breakAgainAndAgain(lab, daemon, plan);
    });
    return {
      figures: measured({ ...(breaks ? relistFigures(result, breaks) : {}), ...streamFigures(lab, result) }),
      notes: [
        ...(breaks?.complete === false && !lab.signal.aborted ? [`a list was not complete within ${timeoutMs / 1000} s`] : []),
        ...streamNotes(lab, result),
      ],
      plots: [gapPlot(result), ...streamPlots(lab, result)],
    };
  },
};

function relistFigures({ plan, from: measuredFrom, gapPerSecond, sourceGapPerSecond }: LoadResult, { from, readySeconds, quietDelay, delay }: Breaks): Readonly<Record<string, number | undefined>> {
  const second = (at: number): number => Math.floor((at - plan.startAt) / 1000);
  // Of no whole second nothing is known.
  const longest = (gaps: readonly number[]): number | undefined => (gaps.length === 0 ? undefined : Math.max(...gaps));
  const quiet = (gaps: readonly number[]): number | undefined => longest(gaps.slice(second(measuredFrom), second(from)));
  const broken = (gaps: readonly number[]): number | undefined => longest(gaps.slice(second(from)));
  return {
    ready_s: median(readySeconds), ready_max_s: readySeconds.length > 0 ? Math.max(...readySeconds) : undefined, relists: readySeconds.length,
    loop_delay_max_ms: delay, loop_delay_quiet_ms: quietDelay,
    longest_gap_ms: broken(gapPerSecond), longest_gap_quiet_ms: quiet(gapPerSecond),
    source_gap_ms: broken(sourceGapPerSecond), source_gap_quiet_ms: quiet(sourceGapPerSecond),
  };
}

function gapPlot({ gapPerSecond, sourceGapPerSecond }: LoadResult): ReturnType<typeof timePlot> {
  const points = (values: readonly number[]): (readonly [number, number])[] => values.map((value, second) => [second + 0.5, value]);
  return timePlot("Longest standstill that ended in each second", "ms", { "of a subscriber's stream": points(gapPerSecond), "of a bare watch, begun again at once": points(sourceGapPerSecond) });
}

/** Breaks the watches until the load ends, and reads from the daemon's metrics what became of it. */
async function breakAgainAndAgain(lab: Lab, daemon: Daemon, plan: Plan): Promise<Breaks> {
  const until = (at: number): Promise<void> => sleep(Math.max(0, at - machineNow()), undefined, { signal: lab.signal }).catch(() => {});
  // Reading the metric sets it back: what is read next is the time since.
  await until(dueAt(plan, plan.measuredFrom));
  await loopDelayMs(daemon);
  // The standstills are counted by seconds of the plan.
  await until(plan.startAt + Math.ceil((dueAt(plan, plan.measuredFrom) + (lab.options.seconds * 1000 * quietShare) - plan.startAt) / 1000) * 1000);
  const quietDelay = await loopDelayMs(daemon);
  const from = machineNow();
  const delays: number[] = [];
  const readySeconds: number[] = [];
  let complete = true;
  // A list that is complete only after the last change would have what it brings count as a standstill.
  const fits = (): boolean => machineNow() + Math.max(everyMs, 2000 * Math.max(0, ...readySeconds)) < endOf(plan);
  while (!lab.signal.aborted && (readySeconds.length === 0 || fits())) {
    const at = machineNow();
    const listed = await breakOnce(lab, daemon, delays, readySeconds.length);
    complete = listed !== undefined;
    if (listed === undefined) break;
    readySeconds.push(listed);
    await until(Math.max(at + everyMs, machineNow() + restMs));
  }
  // What the last list has left behind.
  delays.push((await loopDelayMs(daemon)) ?? 0);
  return { from, readySeconds, complete, quietDelay, delay: Math.max(...delays) };
}

/** Ends all watches and makes the API server forget its history. Gives the seconds until the daemon has listed everything again; undefined if it does not. */
async function breakOnce(lab: Lab, daemon: Daemon, delays: number[], count: number): Promise<number | undefined> {
  const brokenAt = Date.now() / 1000;
  const deadline = machineNow() + timeoutMs;
  await compactAndCut(lab.cluster, "reset", count);
  while (machineNow() < deadline && !lab.signal.aborted) {
    await sleep(pollMs);
    const found = await metrics(daemon);
    delays.push(beyondSampler(found.get(loopDelayMetric) ?? 0));
    const at = found.get(listedAt) ?? 0;
    if (at > brokenAt) return at - brokenAt;
  }
  return undefined;
}
