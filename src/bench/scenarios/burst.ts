/** Scenario burst: more changes than can be worked off at once, as fast as a watch carries them; with subscribers, without, and beside what the workers could do alone. */
import { availableParallelism } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import type { z } from "zod";
import { workersFor } from "../../domain/worker-count.ts";
import type { Lab } from "../lab.ts";
import { finished, inTime, joinedDelays, runFlow, wholeOf } from "../load/flow.ts";
import type { Flow } from "../load/flow.ts";
import { startFlood } from "../load/flood.ts";
import type { Flooded } from "../load/flood.ts";
import { machineNow } from "../load/clock.ts";
import { sumOf } from "../load/run.ts";
import { pointsOf } from "../load/timeline.ts";
import { effective } from "../load/probe.ts";
import { metrics } from "../parts/daemon.ts";
import { parserSchema } from "../load/results.ts";
import { measured, median } from "../report/figures.ts";
import type { Figures } from "../report/figures.ts";
import { endedEarly, lateness, limitsOf, notReplayed, notTaken, shares } from "../report/limits.ts";
import { percentilePlot, timePlot } from "../report/plot.ts";
import type { Plot } from "../report/plot.ts";
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

/** Of fewer changes there are two turns, once forth and once back, rather than four. */
const turnsFrom = 80_000;

/** A burst that no one reads: how many changes, when, and what they cost the daemon; NaN what can not be seen. */
interface Unread {
  readonly changes: number;
  readonly startAt: number;
  readonly to: number;
  readonly mainMs: number;
  readonly cpuMs: number;
  readonly workerSeconds: number;
  readonly batches: number;
  readonly lines: number;
}

/** A turn: the workers' code alone, and both bursts, one after the other. What is not there was not measured. */
interface Turn {
  readonly limit: Limit | undefined;
  readonly read: Flow | undefined;
  readonly unread: Unread | undefined;
}

type Limit = z.infer<typeof parserSchema>;

export const burst: Scenario = {
  summary: "--changes as fast as a watch carries them: until every subscriber has every final status, as a share of what the workers can parse alone; and without subscribers",
  uses: ["changes"],
  defaults: { subscribers: 1, seconds: 3 },
  replays: true,
  needs: { pid: ["main_us_per_change", "daemon_us_per_change"], metrics: ["worker_us_per_change", "batch_lines"], ownDaemon: ["ratio_to_parse_limit", "parse_limit_per_s", "parse_us_per_line"] },
  run: async (lab) => {
    await using flood = await startFlood(lab);
    lab.say("warming up");
    await unread(lab, flood, Math.min(lab.options.changes, warmupChanges));
    const turns = await inTurns(lab, flood);
    return { figures: figuresOf(turns), notes: notes(lab, turns), plots: plots(lab, turns) };
  },
};

/** All turns, until the user wants an end: the speed of a shared machine's cores changes by half within seconds, so that what is compared has to be close together. */
async function inTurns(lab: Lab, flood: Flooded): Promise<readonly Turn[]> {
  const { changes } = lab.options;
  const count = Math.min(changes, changes < turnsFrom ? 2 : 4);
  const turns: Turn[] = [];
  for (let i = 0; i < count && !lab.signal.aborted; i++) {
    const turn = `turn ${i + 1} of ${count}`;
    const part = Math.floor(((i + 1) * changes) / count) - Math.floor((i * changes) / count);
    const orSkip = <T>(measure: () => Promise<T>): Promise<T | undefined> => (lab.signal.aborted ? Promise.resolve(undefined) : measure());
    const read = (): Promise<Flow> => {
      lab.say(`${turn}, with subscribers`);
      return runFlow(lab, flood, () => flood.plan(Number.POSITIVE_INFINITY, part));
    };
    const alone = (): Promise<Unread> => {
      lab.say(`${turn}, without subscribers`);
      return unread(lab, flood, part);
    };
    const limit = (): Promise<Limit | undefined> => {
      lab.say(`${turn}, parsing alone`);
      return parse(lab, count);
    };
    turns.push(await (i % 2 === 0 ? forth : back)({ limit: () => orSkip(limit), read: () => orSkip(read), unread: () => orSkip(alone) }));
  }
  return turns;
}

type Steps = { readonly [Name in keyof Turn]: () => Promise<Turn[Name]> };

// What stands first is measured first.
async function forth(steps: Steps): Promise<Turn> {
  return { limit: await steps.limit(), read: await steps.read(), unread: await steps.unread() };
}

async function back(steps: Steps): Promise<Turn> {
  return { unread: await steps.unread(), read: await steps.read(), limit: await steps.limit() };
}

function figuresOf(turns: readonly Turn[]): Figures {
  const all = turns.flatMap(({ read }) => read ?? []);
  // A burst that was cut short hardly got going.
  const reads = wholeOf(all);
  const unreads = turns.flatMap(({ unread }) => unread ?? []);
  const limits = turns.flatMap(({ limit }) => limit ?? []);
  const sum = (value: (one: Unread) => number): number => unreads.reduce((total, one) => total + value(one), 0);
  const unreadChanges = sum(({ changes }) => changes);
  return measured({
    changes_per_s: rate(reads),
    // Of each turn, whose parts are close together.
    ratio_to_parse_limit: median(turns.flatMap(({ read, limit }) => (read && limit && reads.includes(read) ? rate([read]) / limit.perSecond : []))),
    ...(all.length > 0 ? sumOf(all.map(({ balance }) => balance)) : {}),
    main_us_per_change: (sum(({ mainMs }) => mainMs) * 1000) / unreadChanges,
    worker_us_per_change: (sum(({ workerSeconds }) => workerSeconds) * 1e6) / unreadChanges,
    batch_lines: sum(({ lines }) => lines) / sum(({ batches }) => batches),
    daemon_us_per_change: (sum(({ cpuMs }) => cpuMs) * 1000) / unreadChanges,
    unread_changes_per_s: (unreadChanges * 1000) / sum(({ startAt, to }) => to - startAt),
    parse_limit_per_s: median(limits.map(({ perSecond }) => perSecond)), parse_us_per_line: median(limits.map(({ cpuMicrosPerLine }) => cpuMicrosPerLine)),
  });
}

/** Changes per second over several bursts. */
function rate(reads: readonly Flow[]): number {
  const time = reads.reduce((sum, { deliveredAt, plan }) => sum + deliveredAt - plan.startAt, 0);
  return (reads.reduce((sum, { sent }) => sum + sent.sent, 0) * 1000) / time;
}

function notes(lab: Lab, turns: readonly Turn[]): readonly string[] {
  const reads = turns.flatMap(({ read }) => read ?? []);
  const all = [...notReplayed(lab), ...limitsOf(lab.usage, reads, Math.max(0, ...reads.map(({ share }) => share))), ...reads.flatMap(({ balance, waited }) => lateness(balance, waited))];
  const failed = reads.reduce((sum, { sent }) => sum + sent.failed, 0);
  all.push(...notTaken(failed));
  const ended = reads.reduce((sum, { ended }) => sum + ended, 0);
  all.push(...endedEarly(ended, reads.find(({ why }) => why !== "")?.why ?? ""));
  if (lab.options.changes < turnsFrom) all.push(`so few changes are over before a burst has got going, so that what they tell of its speed is too little: take ${turnsFrom} or more (--changes)`);
  if (lab.signal.aborted) all.push("ended early by the user");
  const read = reads.at(-1);
  const unread = turns.flatMap((turn) => turn.unread ?? []).at(-1);
  return [...all, ...(read ? shares(lab.usage, read.from, read.to, "the last burst that was read") : []), ...(unread ? shares(lab.usage, unread.startAt, unread.to, "the last one without subscribers") : [])];
}

function plots(lab: Lab, turns: readonly Turn[]): readonly Plot[] {
  const reads = turns.flatMap(({ read }) => read ?? []);
  const times = turns.flatMap(({ read, unread }) => [...(read ? [[read.plan.startAt, read.to] as const] : []), ...(unread ? [[unread.startAt, unread.to] as const] : [])]);
  const [begin, end] = [Math.min(...times.map(([from]) => from)), Math.max(...times.map(([, to]) => to))];
  return [
    // All of them are due when it begins.
    percentilePlot("Time from a burst's begin until a change, or a newer one, was delivered, by percentile", { "to each subscriber": joinedDelays(reads, "latency") }),
    timePlot("Throughput", "statuses/s", { "delivered to all subscribers": inTime(reads, begin, ({ deliveredPerSecond, deliveredAt, plan }) => pointsOf(deliveredPerSecond, "sum", (deliveredAt - plan.startAt) / 1000)) }),
    ...(times.length > 0 ? usagePlots(lab, ["daemon", "replayer", "subscribers"], begin, end) : []),
  ];
}

/** Changes that no one is told of, and what they cost the daemon. */
async function unread(lab: Lab, flood: Flooded, changes: number): Promise<Unread> {
  const before = await metrics(flood.daemon);
  await sleep(calmMs);
  lab.usage.sample();
  const from = machineNow();
  const plan = flood.plan(Number.POSITIVE_INFINITY, changes);
  await flood.begin(plan);
  const { sent, written } = await finished(lab, flood, () => Promise.resolve());
  const to = await effective(flood.daemon.endpoint, plan, written, effectMs);
  lab.usage.sample();
  // Whatever else there is to do, garbage collection say, is done before the metrics are asked for.
  await sleep(calmMs);
  const { mainMs = Number.NaN, cpuMs = Number.NaN } = lab.usage.cost("daemon", from, to) ?? {};
  const after = await metrics(flood.daemon);
  const grown = (name: string): number => (after.get(name) ?? Number.NaN) - (before.get(name) ?? Number.NaN);
  return {
    changes: sent, startAt: plan.startAt, to, mainMs, cpuMs,
    workerSeconds: grown("wsmand_worker_task_seconds_sum"), lines: grown("wsmand_pipeline_batch_lines_sum"), batches: grown("wsmand_pipeline_batch_lines_count"),
  };
}

/** What the daemon's workers could do if there were nothing but them. None of somebody else's daemon. @param turns in which that is measured. */
async function parse(lab: Lab, turns: number): Promise<Limit | undefined> {
  const { options, namespace } = lab;
  if (options.target) return undefined;
  await using parser = lab.part("parser", "parser");
  // The daemon's own number of workers, where none is asked for.
  const threads = options.workers ?? workersFor(availableParallelism());
  const limit = await parser.call("parse", { threads, namespace, workspaces: options.workspaces, size: options.size, warmupMs: Math.min(parseWarmupMs, options.warmup * 1000), measuredMs: (options.seconds * 1000) / turns }, parserSchema);
  return limit;
}
