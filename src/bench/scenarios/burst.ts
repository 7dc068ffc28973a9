/** Scenario burst: more changes than can be worked off at once, as fast as a watch carries them; with subscribers, without, and beside what the workers could do alone. */
import { availableParallelism } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import type { z } from "zod";
import { workersFor } from "../../domain/worker-count.ts";
import type { Lab } from "../lab.ts";
import { finished, runFlow } from "../load/flow.ts";
import type { Flow } from "../load/flow.ts";
import { startFlood } from "../load/flood.ts";
import type { Flooded } from "../load/flood.ts";
import { machineNow } from "../load/clock.ts";
import { pointsOf } from "../load/timeline.ts";
import { effective } from "../load/probe.ts";
import { metrics } from "../parts/daemon.ts";
import { parserSchema } from "../load/results.ts";
import { measured, median } from "../report/figures.ts";
import type { Figures } from "../report/figures.ts";
import { lateness, limits, notReplayed, shares } from "../report/limits.ts";
import { percentilePlot, timePlot } from "../report/plot.ts";
import { usagePlots } from "../report/usage-plots.ts";
import type { Scenario } from "./scenario.ts";

/** So many changes come before those that are measured, so that all code is compiled. */
const warmupChanges = 20_000;
/** How long the last change may take to have effect once the watch has brought it. */
const effectMs = 60_000;
/** Longer than between two samples of CPU time: what comes before does not count. */
const calmMs = 600;
/** Of the threads that only parse, at most; --warmup if that is less. */
const parseWarmupMs = 1000;

/** A burst that no one reads. */
interface Unread {
  readonly changes: number;
  readonly from: number;
  readonly to: number;
  readonly figures: Figures;
}

export const burst: Scenario = {
  summary: "--changes as fast as a watch carries them: until every subscriber has every final status, as a share of what the workers can parse alone",
  defaults: { subscribers: 1, seconds: 3 },
  replays: true,
  needs: { pid: ["main_us_per_change", "daemon_us_per_change"], metrics: ["worker_us_per_change", "batch_lines"], ownDaemon: ["ratio_to_parse_limit", "parse_limit_per_s", "parse_us_per_line"] },
  run: async (lab) => {
    await using flood = await startFlood(lab);
    lab.say("warming up");
    await unread(lab, flood, Math.min(lab.options.changes, warmupChanges));
    // Before and after what it is compared with: the speed of a shared machine's cores changes within seconds.
    const before = await parse(lab);
    const read = await runFlow(lab, flood, () => flood.plan(Number.POSITIVE_INFINITY, lab.options.changes));
    const parsed = [...before, ...(await parse(lab))];
    // Of two: the mean.
    const limit = median(parsed.map(({ perSecond }) => perSecond));
    lab.say("the same without subscribers");
    const alone = lab.signal.aborted ? undefined : await unread(lab, flood, lab.options.changes);
    const perSecond = (read.sent.sent * 1000) / (read.deliveredAt - read.plan.startAt);
    return {
      figures: measured({
        changes_per_s: perSecond, ratio_to_parse_limit: perSecond / limit,
        ...read.balance,
        ...alone?.figures,
        parse_limit_per_s: limit, parse_us_per_line: median(parsed.map(({ cpuMicrosPerLine }) => cpuMicrosPerLine)),
      }),
      notes: [...notes(lab, read), ...(alone ? shares(lab.usage, alone.from, alone.to, "without subscribers") : [])],
      plots: [
        // All of them are due when it begins.
        percentilePlot("Time from the burst's begin until a change, or a newer one, was delivered, by percentile", { "to each subscriber": read.latency }),
        timePlot("Throughput", "statuses/s", { "delivered to all subscribers": pointsOf(read.deliveredPerSecond, "sum", (read.deliveredAt - read.plan.startAt) / 1000) }),
        ...usagePlots(lab, ["daemon", "replayer", "subscribers"], read.plan.startAt, alone?.to ?? read.to),
      ],
    };
  },
};

function notes(lab: Lab, read: Flow): readonly string[] {
  const all = [...notReplayed(lab.options), ...limits(lab.usage, read.from, read.to, read.share), ...lateness(read.balance, read.waited)];
  if (read.sent.failed > 0) all.push(`the API server did not take ${read.sent.failed} changes`);
  if (read.ended > 0) all.push(`${read.ended} streams ended early: ${read.why}`);
  if (lab.signal.aborted) all.push("ended early by the user");
  return [...all, ...shares(lab.usage, read.from, read.to)];
}

/** Changes that no one is told of, and what they cost the daemon. */
async function unread(lab: Lab, flood: Flooded, changes: number): Promise<Unread> {
  const before = await metrics(flood.daemon);
  await sleep(calmMs);
  await lab.usage.sample();
  const from = machineNow();
  const plan = flood.plan(Number.POSITIVE_INFINITY, changes);
  await flood.begin(plan);
  const { sent, written } = await finished(lab, flood, () => Promise.resolve());
  const to = await effective(flood.daemon.endpoint, plan, written, effectMs);
  await lab.usage.sample();
  // Whatever else there is to do, garbage collection say, is done before the metrics are asked for.
  await sleep(calmMs);
  const cost = lab.usage.cost("daemon", from, to);
  const after = await metrics(flood.daemon);
  const grown = (name: string): number => (after.get(name) ?? Number.NaN) - (before.get(name) ?? Number.NaN);
  const figures = measured({
    main_us_per_change: cost && (cost.mainMs * 1000) / sent,
    worker_us_per_change: (grown("wsmand_worker_task_seconds_sum") * 1e6) / sent,
    batch_lines: grown("wsmand_pipeline_batch_lines_sum") / grown("wsmand_pipeline_batch_lines_count"),
    daemon_us_per_change: cost && (cost.cpuMs * 1000) / sent,
    unread_changes_per_s: (sent * 1000) / (to - plan.startAt),
  });
  return { changes: sent, from: plan.startAt, to, figures };
}

/** What the daemon's workers could do if there were nothing but them, in half of the time. None of somebody else's daemon, or once the user has ended the run. */
async function parse(lab: Lab): Promise<readonly z.infer<typeof parserSchema>[]> {
  const { options, namespace } = lab;
  if (options.target || lab.signal.aborted) return [];
  lab.say("parsing alone");
  await using parser = lab.part("parser", "parser");
  // The daemon's own number of workers, where none is asked for.
  const threads = options.workers ?? workersFor(availableParallelism());
  return [await parser.call("parse", { threads, namespace, workspaces: options.workspaces, size: options.size, warmupMs: Math.min(parseWarmupMs, options.warmup * 1000), measuredMs: options.seconds * 500 }, parserSchema)];
}
