/** Scenario fanout: messages per second to many subscribers, beside a bare grpc-js server that sends the same bytes, in turn. */
import { setTimeout as sleep } from "node:timers/promises";
import { decodeFromCompressedBase64 } from "hdr-histogram-js";
import type { Histogram } from "hdr-histogram-js";
import { z } from "zod";
import type { Lab } from "../lab.ts";
import { machineNow } from "../load/clock.ts";
import { countedSchema, ratePoints } from "../load/counted.ts";
import type { Stretch } from "../load/counted.ts";
import type { Endpoint } from "../load/grpc-stream.ts";
import { startFlood } from "../load/flood.ts";
import type { Flooded } from "../load/flood.ts";
import { delayHistogram } from "../load/ledger.ts";
import type { Plan } from "../load/plan.ts";
import { balanceSchema, countsSchema } from "../load/results.ts";
import { openSubscribers, startSubscribers } from "../load/run.ts";
import type { Crowd } from "../load/run.ts";
import { usagePlots } from "../report/usage-plots.ts";
import { measured } from "../report/figures.ts";
import type { Figures } from "../report/figures.ts";
import { limits, notReplayed, shares } from "../report/limits.ts";
import { percentilePlot, timePlot } from "../report/plot.ts";
import type { Plot } from "../report/plot.ts";
import type { Scenario } from "./scenario.ts";

/** Different frames that the bare server sends in turn. */
const frameCount = 200;
/** From the first message to the beginning of what is counted, at most; three tenths of the time that is counted if that is less. */
const rampMs = 1500;
/** How long the first message may take, and between two looks whether it is there. */
const firstMs = 30_000;
const lookMs = 20;
/** The daemon is offered more than it can deliver: this much of what the bare server did. */
const offered = 1.6;
/** Below this share of its time the main thread of a server was not what limited it. */
const busyShare = 0.85;
/** Changes a second that are not exceeded. */
const maxRate = 10_000;
/** What the user ends earlier than this tells nothing. */
const leastMs = 500;
const captureRate = 500;
const captureTimeoutMs = 30_000;
const nothing = z.undefined();
const ways = ["publish", "pull"] as const;

/** What came in a turn. */
interface Turn {
  readonly perSecond: number;
  readonly from: number;
  readonly to: number;
  readonly share: number;
  /** Messages over time, the time before what is counted included. */
  readonly counted: Stretch;
  /** From when a change was due to its delivery, where that is known; of those after the first ones alone. */
  readonly delays: Histogram;
}

/** Who sends in a turn. */
interface Sender {
  readonly endpoint: Endpoint;
  /** @param plan what changes when, of one that has a plan. */
  begin(plan: Plan | undefined): Promise<void>;
  finish(): Promise<void>;
  /** Made once everyone is there. */
  readonly plan?: () => Plan;
}

export const fanout: Scenario = {
  summary: "messages per second to all subscribers, as a share of what bare grpc-js delivers with the same bytes",
  // Small pods: what is measured is behind the workers, which shall not need the cores.
  defaults: { workspaces: 200, subscribers: 200, size: 0, seconds: 5 },
  replays: true,
  needs: { pid: ["per_cpu_ratio_to_bare", "daemon_main_share"] },
  run: async (lab) => {
    await using flood = await startFlood(lab);
    const frames = await capture(lab, flood);
    await using bare = lab.part("bare server", "bare");
    const endpoint: Endpoint = { host: "127.0.0.1", port: await bare.call("listen", {}, z.number()) };
    const bareTurns: Turn[] = [];
    for (const way of ways) {
      lab.say(`bare grpc-js, ${way}`);
      bareTurns.push(...(await turn(lab, { endpoint, begin: () => bare.call("begin", { frames, way }, nothing), finish: () => bare.call("finish", {}, nothing) })));
    }
    await using plain = lab.part("node:http2", "bare-http2");
    const plainEndpoint: Endpoint = { host: "127.0.0.1", port: await plain.call("listen", {}, z.number()) };
    lab.say("node:http2 without gRPC");
    const [http2] = await turn(lab, { endpoint: plainEndpoint, begin: () => plain.call("begin", { frames }, nothing), finish: () => plain.call("finish", {}, nothing) });
    if (bareTurns.length > 0) lab.measures();
    const best = Math.max(...bareTurns.map(({ perSecond }) => perSecond));
    lab.say("the daemon");
    const rate = Math.min(maxRate, Math.ceil((offered * best) / lab.options.subscribers));
    let sourceShare = 0;
    const plan = (): Plan => flood.plan(rate, undefined, Math.ceil((rate * rampOf(lab)) / 1000));
    const [ours] = await turn(lab, {
      endpoint: flood.daemon.endpoint, plan,
      begin: (planned = plan()) => flood.begin(planned),
      finish: async () => {
        sourceShare = (await flood.finish(true)).share;
      },
    });
    return {
      figures: measured({
        ...comparison(lab, bareTurns, http2, ours),
        frame_bytes: frames.reduce((sum, { length }) => sum + length, 0) / frames.length,
        offered_per_s: ours && rate * lab.options.subscribers,
      }),
      notes: notesOf(lab, [...bareTurns, ...(http2 ? [http2] : [])], bareTurns, ours, sourceShare),
      plots: plotsOf(lab, bareTurns, http2, ours),
    };
  },
};

/** The daemon beside those that it is compared with, as far as they had their turn. */
function comparison(lab: Lab, bareTurns: readonly Turn[], http2: Turn | undefined, ours: Turn | undefined): Figures {
  const [publish, pull] = bareTurns;
  const main = ours && lab.usage.cost("daemon", ours.from, ours.to)?.main;
  const bareMain = bareTurns.map(({ perSecond, from, to }) => perSecond / (lab.usage.cost("bare server", from, to)?.main ?? Number.NaN));
  const others = { http2_per_s: http2?.perSecond, bare_publish_per_s: publish?.perSecond, bare_pull_per_s: pull?.perSecond };
  if (!ours) return measured(others);
  return measured({
    ratio_to_bare: ours.perSecond / Math.max(...bareTurns.map(({ perSecond }) => perSecond)),
    ratio_to_http2: ours.perSecond / (http2?.perSecond ?? Number.NaN),
    messages_per_s: ours.perSecond,
    ...others,
    // What a second of the main thread brings: tells more where others use the machine, too.
    per_cpu_ratio_to_bare: main && ours.perSecond / main / Math.max(...bareMain),
    daemon_main_share: main,
  });
}

/** @param others turns of all that the daemon is compared with. */
function notesOf(lab: Lab, others: readonly Turn[], bareTurns: readonly Turn[], ours: Turn | undefined, sourceShare: number): readonly string[] {
  const ended = lab.signal.aborted ? ["ended early by the user"] : [];
  const bare = bareTurns.flatMap(({ from, to }, i) => shares(lab.usage, from, to, `bare, ${ways[i] ?? ""}`));
  if (!ours) return [...ended, ...bare];
  return [
    ...ended,
    ...notReplayed(lab),
    ...idleness(lab.usage.cost("daemon", ours.from, ours.to)?.main),
    ...limits(lab.usage, ours.from, ours.to, Math.max(ours.share, sourceShare, ...others.map(({ share }) => share))),
    ...bare, ...shares(lab.usage, ours.from, ours.to, "the daemon"),
  ];
}

/** @param main share of the time that the daemon's main thread ran. */
function idleness(main: number | undefined): readonly string[] {
  return main !== undefined && main < busyShare ? [`the daemon was not at its limit: its main thread ran ${(main * 100).toFixed(0)} % of the time`] : [];
}

/** Frames of the daemon's own, each of another change. */
async function capture(lab: Lab, flood: Flooded): Promise<readonly Uint8Array[]> {
  await using reader = lab.part("capture", "subscribers");
  await reader.call("open", { endpoint: flood.daemon.endpoint, subscribers: 1, connections: 1, stalled: 0, capture: frameCount }, nothing);
  await flood.begin(flood.plan(captureRate, frameCount));
  await flood.finish(false);
  const frames: Uint8Array[] = [];
  // Some may have been coalesced; what there is will do.
  for (const deadline = machineNow() + captureTimeoutMs; frames.length < frameCount / 2 && machineNow() < deadline && !lab.signal.aborted; await sleep(50)) frames.push(...(await reader.call("counts", {}, countsSchema)).frames);
  if (frames.length < frameCount / 2) throw new Error("the daemon does not tell of changes");
  return frames;
}

/** Waits until something has come to new subscribers. */
async function firstMessage({ signal }: Lab, counts: () => Promise<readonly z.infer<typeof countsSchema>[]>): Promise<void> {
  const deadline = machineNow() + firstMs;
  while ((await counts()).every(({ messages }) => messages === 0) && machineNow() < deadline && !signal.aborted) await sleep(lookMs);
}

/** Milliseconds from the first message to the beginning of what is counted. */
function rampOf({ options }: Lab): number {
  return Math.min(rampMs, options.seconds * 300);
}

/** Connects all subscribers, lets the server send, and counts what comes. None if the user ends it before something could be counted. */
async function turn(lab: Lab, sender: Sender): Promise<readonly Turn[]> {
  if (lab.signal.aborted) return [];
  await using subscribers = startSubscribers(lab);
  const { parts } = subscribers;
  await openSubscribers(lab, parts, sender, 0);
  const counts = (): Promise<readonly z.infer<typeof countsSchema>[]> => Promise.all(parts.map(({ part }) => part.call("counts", {}, countsSchema)));
  await Promise.all(parts.map(({ part }) => part.call("watch", {}, nothing)));
  const plan = sender.plan?.();
  // Of one subscriber of each process: to read all that comes would take the CPU that the server needs.
  if (plan) await Promise.all(parts.map(({ part }) => part.call("begin", { plan, subscribers: 1, detail: "sums" }, nothing)));
  await sender.begin(plan);
  await firstMessage(lab, counts);
  await sleep(rampOf(lab), undefined, { signal: lab.signal }).catch(() => {});
  lab.usage.sample();
  const before = await counts();
  await sleep(lab.options.seconds * 1000, undefined, { signal: lab.signal }).catch(() => {});
  const after = await counts();
  lab.usage.sample();
  const counted = await Promise.all(parts.map(({ part }) => part.call("watched", {}, countedSchema)));
  const delays = await delaysOf(parts, plan);
  await sender.finish();
  const from = before[0]?.at ?? 0;
  const to = after[0]?.at ?? 0;
  if (lab.signal.aborted && to - from < leastMs) return [];
  const perSecond = after.reduce((sum, { messages, at }, i) => sum + ((messages - (before[i]?.messages ?? 0)) * 1000) / (at - (before[i]?.at ?? 0)), 0);
  return [{ perSecond, from, to, share: Math.max(...after.map(({ share }) => share)), counted, delays }];
}

/** What the booked subscribers found; nothing without a plan. */
async function delaysOf(parts: Crowd, plan: Plan | undefined): Promise<Histogram> {
  const all = delayHistogram();
  if (!plan) return all;
  const none = new Float64Array(plan.workspaces).fill(-1);
  const balances = await Promise.all(parts.map(({ part }) => part.call("finish", { written: none }, balanceSchema)));
  for (const { delays } of balances) all.add(decodeFromCompressedBase64(delays));
  return all;
}

function plotsOf(lab: Lab, bareTurns: readonly Turn[], http2: Turn | undefined, ours: Turn | undefined): readonly Plot[] {
  const turns = [...bareTurns, ...(http2 ? [http2] : []), ...(ours ? [ours] : [])];
  const [first, last] = [turns[0], turns.at(-1)];
  if (!first || !last) return [];
  // The time before what counts is to be seen, too.
  const from = first.counted[0]?.[0]?.at ?? first.from;
  const lines = { daemon: ours, ...Object.fromEntries(ways.map((way, i) => [`bare, ${way}`, bareTurns[i]])), "node:http2": http2 };
  return [
    percentilePlot("Delay by percentile, while more changes are due than can be delivered; to one subscriber of each process", { "daemon, from due to delivered": ours?.delays ?? delayHistogram() }),
    timePlot("Throughput", "messages/s", Object.fromEntries(Object.entries(lines).flatMap(([name, turn]) => (turn ? [[name, ratePoints([turn.counted], from)]] : [])))),
    ...usagePlots(lab, ["daemon", "bare server", "node:http2"], from, last.to),
  ];
}
