/** Scenario relist: a stream while the watches are broken again and again, and the API server has forgotten what they missed: all workspaces are listed anew each time. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Lab } from "../lab.ts";
import { machineNow } from "../load/clock.ts";
import { dueAt, endOf } from "../load/plan.ts";
import type { Plan } from "../load/plan.ts";
import { runLoad } from "../load/run.ts";
import type { LoadResult } from "../load/run.ts";
import type { Daemon } from "../parts/daemon.ts";
import { metrics } from "../parts/daemon.ts";
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
const loopDelay = "nodejs_eventloop_lag_max_seconds";
const listedAt = 'wsmand_last_list_timestamp_seconds{resource="pods"}';
const relists = 'wsmand_relists_total{resource="pods",reason="expired"}';

/** What was seen of the breaks. */
interface Breaks {
  /** When they began, on the machine's clock. */
  readonly from: number;
  /** Per break that led to a complete list, the time until it had taken effect, seconds. */
  readonly readySeconds: readonly number[];
  /** Longest delays of the event loop, seconds: before the breaks, and from the first one on. */
  readonly quietDelay: number | undefined;
  readonly delay: number | undefined;
}

export const relist: Scenario = {
  summary: "a stream while its watches are broken again and again so that all workspaces are listed anew",
  defaults: { workspaces: 10_000, subscribers: 10, rate: 200, seconds: 24 },
  run: async (lab) => {
    if (lab.options.target || !lab.ownsAll) throw new Error("relist breaks the watches of the built-in API server: it can not be used with --target or --kubeconfig");
    await lab.workspaces(lab.options.workspaces);
    await using daemon = await lab.daemon();
    await daemon.synced();
    let breaks: Breaks | undefined;
    const result = await runLoad(lab, daemon, lab.options.stalled, "each", async (plan) => {
      breaks = await breakAgainAndAgain(lab, daemon, plan);
    });
    const { from, readySeconds = [], quietDelay, delay } = breaks ?? { from: result.to };
    const second = (at: number): number => Math.floor((at - result.plan.startAt) / 1000);
    const longest = (gaps: readonly number[], since: number, until: number): number => Math.max(0, ...gaps.slice(second(since), second(until)));
    return {
      figures: measured({
        ready_s: readySeconds.length > 0 ? median(readySeconds) : undefined,
        ready_max_s: readySeconds.length > 0 ? Math.max(...readySeconds) : undefined,
        relists: readySeconds.length,
        loop_delay_max_ms: delay === undefined ? undefined : delay * 1000,
        loop_delay_quiet_ms: quietDelay === undefined ? undefined : quietDelay * 1000,
        longest_gap_ms: longest(result.gapPerSecond, from, Number.POSITIVE_INFINITY),
        longest_gap_quiet_ms: longest(result.gapPerSecond, result.from, from),
        source_gap_ms: longest(result.sourceGapPerSecond, from, Number.POSITIVE_INFINITY),
        source_gap_quiet_ms: longest(result.sourceGapPerSecond, result.from, from),
        ...streamFigures(lab, result),
      }),
      notes: ["loop_delay_* are what the daemon exports: the sampler's own 10 ms are in them", ...streamNotes(lab, result)],
      plots: [gapPlot(result), ...streamPlots(lab, result)],
    };
  },
};

function gapPlot({ gapPerSecond, sourceGapPerSecond }: LoadResult): ReturnType<typeof timePlot> {
  const points = (values: readonly number[]): (readonly [number, number])[] => values.map((value, second) => [second + 0.5, value]);
  return timePlot("Longest standstill that ended in each second", "ms", { "of a subscriber's stream": points(gapPerSecond), "of a bare watch, begun again at once": points(sourceGapPerSecond) });
}

/** Breaks the watches until the load ends, and reads from the daemon's metrics what became of it. */
async function breakAgainAndAgain(lab: Lab, daemon: Daemon, plan: Plan): Promise<Breaks> {
  const until = (at: number): Promise<void> => sleep(Math.max(0, at - machineNow()), undefined, { signal: lab.signal }).catch(() => {});
  // Reading the metric sets it back: what is read next is the time since.
  await until(dueAt(plan, plan.measuredFrom));
  await metrics(daemon);
  // The standstills are counted by seconds of the plan.
  await until(plan.startAt + Math.ceil((dueAt(plan, plan.measuredFrom) + (lab.options.seconds * 1000 * quietShare) - plan.startAt) / 1000) * 1000);
  const quietDelay = (await metrics(daemon)).get(loopDelay);
  const from = machineNow();
  const delays: number[] = [];
  const readySeconds: number[] = [];
  while (!lab.signal.aborted && (readySeconds.length === 0 || machineNow() + everyMs < endOf(plan))) {
    const at = machineNow();
    const listed = await breakOnce(lab, daemon, delays);
    if (listed === undefined) break;
    readySeconds.push(listed);
    await until(Math.max(at + everyMs, machineNow() + restMs));
  }
  // What the last list has left behind.
  delays.push((await metrics(daemon)).get(loopDelay) ?? 0);
  return { from, readySeconds, quietDelay, delay: Math.max(...delays) };
}

/** Ends all watches of pods and makes the API server forget its history. Gives the seconds until the daemon has listed everything again; undefined if it does not. */
async function breakOnce(lab: Lab, daemon: Daemon, delays: number[]): Promise<number | undefined> {
  const look = async (): Promise<ReadonlyMap<string, number>> => {
    const found = await metrics(daemon);
    delays.push(found.get(loopDelay) ?? 0);
    return found;
  };
  const before = (await look()).get(relists) ?? 0;
  const deadline = machineNow() + timeoutMs;
  for (let brokenAt = await strike(lab); machineNow() < deadline && !lab.signal.aborted; ) {
    await sleep(pollMs);
    const found = await look();
    const at = found.get(listedAt) ?? 0;
    if (at > brokenAt) return at - brokenAt;
    // A watch that was begun again before the history was gone goes on as if nothing had been.
    if ((found.get(relists) ?? 0) === before) brokenAt = await strike(lab);
  }
  return undefined;
}

/** Unix time of the break, seconds. */
async function strike(lab: Lab): Promise<number> {
  const at = Date.now() / 1000;
  await Promise.all([lab.cluster.fault("cut-watches", { how: "reset", resource: "pods" }), lab.cluster.fault("expire-history")]);
  return at;
}
