/** A flood that subscribers read: begun, waited for, and what they found. */
import { setTimeout as sleep } from "node:timers/promises";
import { decodeFromCompressedBase64 } from "hdr-histogram-js";
import type { Histogram } from "hdr-histogram-js";
import { z } from "zod";
import type { Lab } from "../lab.ts";
import { balanceSchema } from "./results.ts";
import type { Flooded, Sent } from "./flood.ts";
import { delayHistogram } from "./ledger.ts";
import type { Balance } from "./ledger.ts";
import { dueAt, progressOf } from "./plan.ts";
import type { Plan } from "./plan.ts";
import { bySecond, closeSubscribers, openSubscribers, settle, startSubscribers, sumOf } from "./run.ts";
import type { Crowd } from "./run.ts";
import type { Points } from "./timeline.ts";

const nothing = z.undefined();
const reachedSchema = z.object({ delivered: z.number(), coalesced: z.number() });

/** What a flow found. */
export interface Flow {
  readonly plan: Plan;
  readonly sent: Sent;
  /** On the machine's clock: when the first change that is measured was due, when the last one was (without a rate: `deliveredAt`), and when the last subscriber had the last of them all. */
  readonly from: number;
  readonly to: number;
  readonly deliveredAt: number;
  readonly balance: Balance;
  /** See {@link settle}. */
  readonly waited: number | undefined;
  /** From due to delivered. */
  readonly latency: Histogram;
  /** From due to sent. */
  readonly late: Histogram;
  readonly ended: number;
  readonly why: string;
  /** Busiest share of time of a load process' thread, 0 to 1. */
  readonly share: number;
  /** Per second from the plan's begin. */
  readonly deliveredPerSecond: readonly number[];
  readonly longestPerSecond: readonly number[];
}

/** Runs a flood, with subscribers of its own, to its end, or to the user's. @param planned makes the plan once everyone is there. */
export async function runFlow(lab: Lab, flood: Flooded, planned: () => Plan): Promise<Flow> {
  await using subscribers = startSubscribers(lab);
  await openSubscribers(lab, subscribers.parts, flood.daemon, 0);
  const flow = await runFlowTo(lab, flood, subscribers.parts, planned());
  await closeSubscribers(subscribers.parts);
  return flow;
}

/** The same with subscribers that are there already, and stay. */
export async function runFlowTo(lab: Lab, flood: Flooded, crowd: Crowd, plan: Plan): Promise<Flow> {
  await Promise.all(crowd.map(({ part, count }) => part.call("begin", { plan, subscribers: count, detail: "each" }, nothing)));
  const endedBefore = lab.signal.aborted;
  await flood.begin(plan);
  const sent = await finished(lab, flood, () => progress(lab, crowd, plan));
  if (!endedBefore && sent.sent > plan.measuredFrom) lab.measures();
  const waited = await settle(crowd, sent.written, lab.signal);
  lab.usage.sample();
  const balances = await Promise.all(crowd.map(({ part }) => part.call("finish", { written: sent.written }, balanceSchema)));
  return collect(plan, sent, waited, balances);
}

/** Waits for the last change to be taken; the user may end it earlier. @param tell says how far it is, every second. */
export async function finished(lab: Lab, flood: Flooded, tell: () => Promise<void>): Promise<Sent> {
  const stop = (): void => void flood.finish(true).catch(() => {});
  lab.signal.addEventListener("abort", stop, { once: true });
  if (lab.signal.aborted) stop();
  const done = new AbortController();
  const telling = every(1000, done.signal, tell);
  try {
    // A part that has died is told by whoever asks it first.
    return await Promise.race([flood.finish(false), telling.then(() => flood.finish(false))]);
  } finally {
    done.abort();
    lab.signal.removeEventListener("abort", stop);
    await telling.catch(() => {});
  }
}

async function every(ms: number, signal: AbortSignal, task: () => Promise<void>): Promise<void> {
  while (!signal.aborted) {
    await task();
    await sleep(ms, undefined, { signal }).catch(() => {});
  }
}

async function progress(lab: Lab, crowd: Crowd, plan: Plan): Promise<void> {
  if (plan.interval > 0) {
    lab.say(progressOf(plan));
    return;
  }
  const balances = await Promise.all(crowd.map(({ part }) => part.call("balance", { written: new Float64Array(plan.workspaces) }, reachedSchema)));
  const reached = balances.reduce((sum, { delivered, coalesced }) => sum + delivered + coalesced, 0);
  lab.say(`measuring, ${Math.floor(reached / lab.options.subscribers)} of ${plan.total} changes have come through`);
}

function collect(plan: Plan, sent: Sent, waited: number | undefined, balances: readonly z.infer<typeof balanceSchema>[]): Flow {
  const latency = delayHistogram();
  for (const { delays } of balances) latency.add(decodeFromCompressedBase64(delays));
  const deliveredAt = balances.reduce((last, { lastAt }) => lastAt.reduce((a, b) => Math.max(a, b), last), plan.startAt);
  return {
    plan, sent, from: dueAt(plan, plan.measuredFrom), to: plan.interval > 0 ? dueAt(plan, Math.max(0, sent.sent - 1)) : deliveredAt, deliveredAt,
    balance: sumOf(balances), waited, latency, late: decodeFromCompressedBase64(sent.late),
    ended: balances.reduce((total, { ended }) => total + ended, 0), why: balances.find(({ why }) => why !== "")?.why ?? "",
    share: Math.max(sent.share, ...balances.map(({ share }) => share)),
    deliveredPerSecond: bySecond(plan, deliveredAt, balances.map((balance) => balance.deliveredPerSecond), (a, b) => a + b),
    longestPerSecond: bySecond(plan, deliveredAt, balances.map((balance) => balance.longestPerSecond), Math.max),
  };
}

/** Those of several flows that were not cut short by the user; all of them if none is whole. */
export function wholeOf<T extends Pick<Flow, "sent" | "plan">>(flows: readonly T[]): readonly T[] {
  const whole = flows.filter(({ sent, plan }) => sent.sent >= plan.total);
  return whole.length > 0 ? whole : flows;
}

/** The delays of several loads. @param which from due to delivered, or to sent. */
export function joinedDelays<Which extends "latency" | "late">(loads: readonly Readonly<Record<Which, Histogram>>[], which: Which): Histogram {
  const all = delayHistogram();
  for (const load of loads) all.add(load[which]);
  return all;
}

/** Points of several flows, each where it was: between them there was nothing. @param begin from when their time is told, on the machine's clock. */
export function inTime<T extends Pick<Flow, "plan" | "deliveredAt">>(flows: readonly T[], begin: number, points: (flow: T) => Points): Points {
  return flows.flatMap((flow) => {
    const from = (flow.plan.startAt - begin) / 1000;
    const to = (flow.deliveredAt - begin) / 1000;
    return [[from, 0], ...points(flow).map(([at, value]) => [Math.min(to, from + at), value] as const), [to, 0]] as const;
  });
}
