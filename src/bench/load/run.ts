/** One load from begin to end: subscribers, a bare watch and the writer, each in a process of its own, and what they found. */
import { setTimeout as sleep } from "node:timers/promises";
import { decodeFromCompressedBase64 } from "hdr-histogram-js";
import type { Histogram } from "hdr-histogram-js";
import { z } from "zod";
import type { Lab } from "../lab.ts";
import type { Daemon } from "../parts/daemon.ts";
import type { Part } from "../parts/part.ts";
import { countRequests } from "./asked.ts";
import type { Asked } from "./asked.ts";
import { machineNow } from "./clock.ts";
import { delayHistogram, recordDelay } from "./ledger.ts";
import type { Balance, Detail } from "./ledger.ts";
import { dueAt, endOf, progressOf } from "./plan.ts";
import type { Plan } from "./plan.ts";
import { arrivalsSchema, balanceSchema, writtenSchema } from "./results.ts";

/** Most connections of the writer: as many changes can be under way before the next has to wait. */
export const writerConnections = 64;
/** How long the last statuses may take to come; and when the user wants an end. */
const settleMs = 30_000;
const hurryMs = 5000;
/** From the order to the first change. */
const leadMs = 300;
const nothing = z.undefined();

/** What a load found. */
export interface LoadResult extends Asked {
  readonly plan: Plan;
  /** Begin and end of what was measured, on the machine's clock. */
  readonly from: number;
  readonly to: number;
  readonly balance: Balance;
  /** See {@link settle}. */
  readonly waited: number | undefined;
  /** Delays: from due to delivered; from the bare watch to the last subscriber; from due to sent; from due to the API server's answer. */
  readonly latency: Histogram;
  readonly added: Histogram;
  readonly late: Histogram;
  readonly answered: Histogram;
  /** Changes that were measured, and how many a second the bare watch brought of them (without one: were taken by the API server). */
  readonly changes: number;
  readonly changesPerSecond: number;
  readonly lineBytes: number;
  /** Changes that were written, the warm-up's included. */
  readonly sent: number;
  readonly failedWrites: number;
  /** What the bare watch found wrong with the source itself. */
  readonly disorderedLines: number;
  readonly watchEnded: boolean;
  readonly ended: number;
  readonly why: string;
  /** Busiest share of time of a load process' thread, 0 to 1. */
  readonly share: number;
  /** Per second from the plan's begin: statuses delivered to all together, and the longest delay (ms). */
  readonly deliveredPerSecond: readonly number[];
  readonly longestPerSecond: readonly number[];
  /** The longest time (ms) between two deliveries on one stream, and between two lines of the bare watch, by the second in which it ended. */
  readonly gapPerSecond: readonly number[];
  readonly sourceGapPerSecond: readonly number[];
}

/** Processes of subscribers, and how many each has. */
export type Crowd = readonly { readonly part: Part; readonly count: number }[];

interface Team {
  readonly writer: Part;
  readonly watcher: Part | undefined;
  readonly subscribers: Crowd;
}

/**
 * Runs a load against a daemon.
 * @param stalled subscribers that do not read, beside the others.
 * @param detail "sums": for days, without what grows with the number of changes; then there is no bare watch, and nothing in `added`.
 * @param beside runs beside the load, from its begin; the load's end waits for it.
 */
export async function runLoad(lab: Lab, daemon: Daemon, stalled: number, detail: Detail = "each", beside: (plan: Plan) => Promise<void> = () => Promise.resolve()): Promise<LoadResult> {
  const names = await lab.workspaces(lab.options.workspaces);
  await using writer = lab.part("writer", "writer");
  await using watcher = detail === "each" ? lab.part("bare watch", "watcher") : undefined;
  await using subscribers = startSubscribers(lab);
  const team: Team = { writer, watcher, subscribers: subscribers.parts };
  const place = { kubeconfig: lab.kubeconfig, namespace: lab.namespace };
  await Promise.all([
    writer.call("open", { ...place, names, connections: writerConnections }, nothing),
    watcher?.call("open", place, nothing),
    openSubscribers(lab, team.subscribers, daemon, stalled),
  ]);
  const askedMeanwhile = await countRequests(lab, daemon, detail === "each");
  const endedBefore = lab.signal.aborted;
  const plan = await begin(lab, team, detail);
  await Promise.all([watchProgress(lab, plan), beside(plan)]);
  const written = await lastWritten(lab, writer);
  const to = machineNow();
  if (!endedBefore && written.sent > plan.measuredFrom) lab.measures();
  const waited = await settle(team.subscribers, written.written, lab.signal);
  lab.usage.sample();
  const asked = await askedMeanwhile();
  const { arrivals, balances } = await finish(team, written.written);
  return collect({ lab, plan, to, written, waited, arrivals, balances, asked });
}

/** What came, as the watcher and the subscribers have it; they close. */
async function finish({ watcher, subscribers }: Team, written: Float64Array): Promise<{ readonly arrivals: z.infer<typeof arrivalsSchema> | undefined; readonly balances: readonly z.infer<typeof balanceSchema>[] }> {
  const [arrivals, ...balances] = await Promise.all([watcher?.call("finish", {}, arrivalsSchema), ...subscribers.map(({ part }) => part.call("finish", { written }, balanceSchema))]);
  await Promise.all([watcher?.call("close", {}, nothing), closeSubscribers(subscribers)]);
  return { arrivals, balances };
}

/** How long an API server that is slower than the rate may take for what is due: the longest load there is. */
const maxBacklogMs = 24 * 3600 * 1000;

/** Waits until the API server has taken every change, be it slower than they are due; the user may end it earlier. */
async function lastWritten(lab: Lab, writer: Part): Promise<z.infer<typeof writtenSchema>> {
  const finish = (stop: boolean): Promise<z.infer<typeof writtenSchema>> => writer.call("finish", { stop }, writtenSchema, maxBacklogMs);
  const stop = (): void => void finish(true).catch(() => {});
  lab.signal.addEventListener("abort", stop, { once: true });
  const telling = setInterval(() => lab.say("waiting for the API server to take the last changes"), 5000);
  try {
    return await finish(lab.signal.aborted);
  } finally {
    clearInterval(telling);
    lab.signal.removeEventListener("abort", stop);
  }
}

/** Processes of subscribers, as many as were asked for. @param suffix of their names, where several crowds run at a time. */
export function startSubscribers(lab: Lab, suffix = ""): AsyncDisposable & { readonly parts: Crowd } {
  const { clients, subscribers } = lab.options;
  const count = Math.min(clients, subscribers);
  const parts = Array.from({ length: count }, (_, i) => ({ part: lab.part(`subscribers${count === 1 ? "" : ` ${i + 1}`}${suffix}`, "subscribers"), count: share(subscribers, i, count) }));
  return { parts, [Symbol.asyncDispose]: async () => void (await Promise.all(parts.map(({ part }) => part[Symbol.asyncDispose]()))) };
}

/** Subscribes them all. @param stalled subscribers that do not read, beside the others. */
export async function openSubscribers(lab: Lab, crowd: Crowd, { endpoint }: Pick<Daemon, "endpoint">, stalled: number): Promise<void> {
  const { connections } = lab.options;
  await Promise.all(crowd.map(({ part, count }, i) => part.call("open", { endpoint, subscribers: count, connections: Math.max(1, share(connections, i, crowd.length)), stalled: share(stalled, i, crowd.length), capture: 0 }, nothing)));
}

/** Ends their streams; the processes stay. */
export async function closeSubscribers(crowd: Crowd): Promise<void> {
  await Promise.all(crowd.map(({ part }) => part.call("close", {}, nothing)));
}

/** The i-th of `parts` nearly equal shares of a number. */
function share(total: number, i: number, parts: number): number {
  return Math.floor(((i + 1) * total) / parts) - Math.floor((i * total) / parts);
}

async function begin(lab: Lab, { writer, watcher, subscribers }: Team, detail: Detail): Promise<Plan> {
  const { workspaces, rate, warmup, seconds } = lab.options;
  const total = Math.ceil(rate * (warmup + seconds));
  const plan: Plan = { base: lab.stamps(total), total, workspaces, first: 0, interval: 1000 / rate, startAt: machineNow() + leadMs, measuredFrom: rate * warmup };
  await Promise.all([watcher?.call("begin", plan, nothing), ...subscribers.map(({ part, count }) => part.call("begin", { plan, subscribers: count, detail }, nothing))]);
  await writer.call("begin", plan, nothing);
  return plan;
}

/** Waits until the last change is due, or the measurement is ended early. */
async function watchProgress(lab: Lab, plan: Plan): Promise<void> {
  for (let left = endOf(plan) - machineNow(); left > 0 && !lab.signal.aborted; left = endOf(plan) - machineNow()) {
    lab.say(progressOf(plan));
    await sleep(Math.min(left, 1000), undefined, { signal: lab.signal }).catch(() => {});
  }
}

/**
 * Waits until every subscriber has every workspace's last change, or the deadline passes, which comes sooner for a user who wants an end.
 * @returns undefined if all came; else for how long that was waited for, seconds: what counts as lost may be on its way.
 */
export async function settle(subscribers: Crowd, written: Float64Array, signal: AbortSignal): Promise<number | undefined> {
  const lostSchema = z.object({ lost: z.number() });
  const from = machineNow();
  while (machineNow() < from + (signal.aborted ? hurryMs : settleMs)) {
    const balances = await Promise.all(subscribers.map(({ part }) => part.call("balance", { written }, lostSchema)));
    if (balances.every(({ lost }) => lost === 0)) return undefined;
    await sleep(100);
  }
  return (machineNow() - from) / 1000;
}

interface Found {
  readonly lab: Lab;
  readonly plan: Plan;
  readonly to: number;
  readonly written: z.infer<typeof writtenSchema>;
  readonly waited: number | undefined;
  readonly arrivals: z.infer<typeof arrivalsSchema> | undefined;
  readonly balances: readonly z.infer<typeof balanceSchema>[];
  readonly asked: Asked;
}

function collect({ lab, plan, to, written, waited, arrivals, balances, asked }: Found): LoadResult {
  const latency = delayHistogram();
  for (const { delays } of balances) latency.add(decodeFromCompressedBase64(delays));
  return {
    plan, from: dueAt(plan, plan.measuredFrom), to, latency,
    added: arrivals ? addedDelays(plan, arrivals.at, balances, lab.options.subscribers) : delayHistogram(),
    balance: sumOf(balances), waited,
    late: decodeFromCompressedBase64(written.late), answered: decodeFromCompressedBase64(written.answered),
    ...(arrivals ? watched(plan, arrivals) : unwatched(plan, written, to)),
    sent: written.sent, failedWrites: written.failed,
    ended: balances.reduce((total, { ended }) => total + ended, 0), why: balances.find(({ why }) => why !== "")?.why ?? "",
    share: Math.max(written.share, arrivals?.share ?? 0, ...balances.map(({ share }) => share)),
    ...asked,
    deliveredPerSecond: bySecond(plan, to, balances.map(({ deliveredPerSecond }) => deliveredPerSecond), (a, b) => a + b),
    longestPerSecond: bySecond(plan, to, balances.map(({ longestPerSecond }) => longestPerSecond), Math.max),
    gapPerSecond: bySecond(plan, to, balances.map(({ gapPerSecond }) => gapPerSecond), Math.max),
    sourceGapPerSecond: bySecond(plan, to, arrivals ? [arrivals.gapPerSecond] : [], Math.max),
  };
}

/** The sums over all processes. */
export function sumOf(balances: readonly Balance[]): Balance {
  const sum = (name: keyof Balance): number => balances.reduce((total, balance) => total + balance[name], 0);
  return { delivered: sum("delivered"), coalesced: sum("coalesced"), repeated: sum("repeated"), reordered: sum("reordered"), lost: sum("lost") };
}

/** All processes' values of each second until the load's end. */
export function bySecond(plan: Plan, to: number, parts: readonly Float64Array[], join: (a: number, b: number) => number): readonly number[] {
  const seconds = Math.max(1, Math.ceil((to - plan.startAt) / 1000));
  return Array.from({ length: seconds }, (_, i) => parts.reduce((sum, part) => join(sum, part[i] ?? 0), 0));
}

type Watched = Pick<LoadResult, "changes" | "changesPerSecond" | "lineBytes" | "disorderedLines" | "watchEnded">;

/** What the bare watch saw. */
function watched(plan: Plan, { at, lines, bytes, disordered, ended }: z.infer<typeof arrivalsSchema>): Watched {
  const seen = Array.from(at.subarray(plan.measuredFrom)).filter((time) => time > 0);
  const time = seen.reduce((last, one) => Math.max(last, one), 0) - seen.reduce((first, one) => Math.min(first, one), Number.POSITIVE_INFINITY);
  return { changes: seen.length, changesPerSecond: seen.length > 1 ? ((seen.length - 1) * 1000) / time : 0, lineBytes: lines === 0 ? 0 : bytes / lines, disorderedLines: disordered, watchEnded: ended };
}

/** The same without it. */
function unwatched(plan: Plan, { sent, failed }: z.infer<typeof writtenSchema>, to: number): Watched {
  const changes = Math.max(0, sent - failed - plan.measuredFrom);
  return { changes, changesPerSecond: (changes * 1000) / Math.max(1, to - dueAt(plan, plan.measuredFrom)), lineBytes: 0, disorderedLines: 0, watchEnded: false };
}

/** From the bare watch's line to the last subscriber's message, for each change that everyone has. */
function addedDelays(plan: Plan, at: Float64Array, balances: Found["balances"], subscribers: number): Histogram {
  const added = delayHistogram();
  for (let n = plan.measuredFrom; n < plan.total; n++) {
    const seen = at[n] ?? 0;
    const reached = balances.reduce((total, balance) => total + (balance.reached[n] ?? 0), 0);
    if (seen === 0 || reached < subscribers) continue;
    recordDelay(added, Math.max(...balances.map(({ lastAt }) => lastAt[n] ?? 0)) - seen);
  }
  return added;
}
