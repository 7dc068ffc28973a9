/** Scenario list: GetWorkspaces and DescribeWorkspace with many workspaces, beside a bare grpc-js server that answers with the same bytes, in turn. */
import { decodeFromCompressedBase64 } from "hdr-histogram-js";
import type { Histogram } from "hdr-histogram-js";
import { z } from "zod";
import type { Lab } from "../lab.ts";
import { describeRequest, idsIn } from "../load/answers.ts";
import { machineNow } from "../load/clock.ts";
import { startFlood } from "../load/flood.ts";
import type { Endpoint } from "../load/grpc-stream.ts";
import { delayHistogram } from "../load/ledger.ts";
import { calledSchema } from "../parts/callers.ts";
import { loopDelayMs } from "../parts/daemon.ts";
import type { Part } from "../parts/part.ts";
import { measured } from "../report/figures.ts";
import { limits, ms, shares } from "../report/limits.ts";
import { percentilePlot } from "../report/plot.ts";
import { usagePlots } from "../report/usage-plots.ts";
import type { Scenario } from "./scenario.ts";

/** Workspaces that are described, in turn. */
const describedCount = 200;
/** What a turn may take beyond its own time. */
const turnTimeoutMs = 120_000;
/** Each side has half of its time first and half of it last, so that a drift of the machine meets both alike. */
const order = ["bare server", "daemon", "daemon", "bare server"] as const;
const sides = ["bare server", "daemon"] as const;
const nothing = z.undefined();
const answersSchema = z.array(z.instanceof(Uint8Array));

type Side = (typeof sides)[number];

/** A method, and what is asked of it with the answers that the daemon gave. */
interface Method {
  readonly path: string;
  readonly tasks: readonly { readonly request: Uint8Array; readonly answer: Uint8Array }[];
}

/** Who calls whom. */
interface Setting {
  readonly lab: Lab;
  readonly callers: Part;
  readonly endpoints: Readonly<Record<Side, Endpoint>>;
  /** Runs a turn of the daemon's. */
  readonly daemonTurn: (turn: () => Promise<void>) => Promise<void>;
}

/** What a side's turns gave together. */
interface Turns {
  readonly delays: Histogram;
  calls: number;
  timeMs: number;
  /** Time that the server's main thread ran; NaN where that can not be seen. */
  mainMs: number;
  failed: number;
  different: number;
  why: string;
  share: number;
}

export const list: Scenario = {
  summary: "GetWorkspaces and DescribeWorkspace, as a share of what bare grpc-js answers with the same bytes, in turn",
  defaults: { workspaces: 5000, subscribers: 1, seconds: 10, warmup: 1 },
  run: async (lab) => {
    await using flood = await startFlood(lab);
    const { daemon } = flood;
    await using callers = lab.part("callers", "callers");
    await using bare = lab.part("bare server", "bare-unary");
    const get = await capture(callers, daemon.endpoint, "GetWorkspaces", [new Uint8Array()]);
    const answer = get.tasks[0]?.answer ?? new Uint8Array();
    const describe = await capture(callers, daemon.endpoint, "DescribeWorkspace", idsIn(answer).slice(0, describedCount).map(describeRequest));
    for (const method of [get, describe]) await bare.call("prepare", method, nothing);
    const endpoints = { daemon: daemon.endpoint, "bare server": { host: "127.0.0.1", port: await bare.call("listen", {}, z.number()) } };
    const delays: number[] = [];
    const from = machineNow();
    const gets = await measure({ lab, callers, endpoints, daemonTurn: async (turn) => {
      // Reading the metric sets it back: what is read next is the time of the turn.
      await loopDelayMs(daemon);
      await turn();
      delays.push((await loopDelayMs(daemon)) ?? Number.NaN);
    } }, get);
    const describes = await measure({ lab, callers, endpoints, daemonTurn: (turn) => turn() }, describe);
    const to = machineNow();
    const all = [gets, describes].flatMap((turns) => Object.values(turns));
    return {
      figures: measured({
        ...figuresOf("get", gets), ...figuresOf("describe", describes),
        answer_mb: answer.length / 2 ** 20,
        loop_delay_max_ms: delays.length > 0 ? Math.max(...delays) : undefined,
        rss_mb: lab.usage.cost("daemon", from, to)?.rssMb,
        failed: sum(all, "failed"), different: sum(all, "different"),
      }),
      notes: [
        ...all.flatMap(({ failed, why }) => (failed > 0 ? [`${failed} calls failed: ${why}`] : [])),
        ...(sum(all, "different") > 0 ? ["some answers were not what they were at the beginning: the workspaces changed meanwhile"] : []),
        ...(lab.signal.aborted ? ["ended early by the user"] : []),
        ...limits(lab.usage, from, to, Math.max(...all.map(({ share }) => share))), shares(lab.usage, from, to),
      ],
      plots: [
        percentilePlot("Time to the whole answer, by percentile", { GetWorkspaces: gets.daemon.delays, "GetWorkspaces, bare": gets["bare server"].delays, DescribeWorkspace: describes.daemon.delays, "DescribeWorkspace, bare": describes["bare server"].delays }),
        ...usagePlots(lab, ["daemon", "bare server"], from, to),
      ],
    };
  },
};

/** The daemon's answers. */
async function capture(callers: Part, endpoint: Endpoint, method: string, requests: readonly Uint8Array[]): Promise<Method> {
  const path = `/wsman.WorkspaceManager/${method}`;
  const answers = await callers.call("fetch", { endpoint, path, requests }, answersSchema);
  return { path, tasks: requests.map((request, i) => ({ request, answer: answers[i] ?? new Uint8Array() })) };
}

/** All turns of a method, after a time in which everything gets warm. */
async function measure(setting: Setting, method: Method): Promise<Readonly<Record<Side, Turns>>> {
  const { lab, daemonTurn } = setting;
  const { warmup, seconds } = lab.options;
  const found = { daemon: noTurns(), "bare server": noTurns() };
  if (warmup > 0 && !lab.signal.aborted) for (const side of sides) await turn(setting, side, method, warmup, noTurns());
  for (const side of order) {
    if (lab.signal.aborted) break;
    lab.say(`${method.path}, ${side}`);
    const run = (): Promise<void> => turn(setting, side, method, seconds / 2, found[side]);
    await (side === "daemon" ? daemonTurn(run) : run());
  }
  return found;
}

/** One turn, added to those before it. */
async function turn({ lab, callers, endpoints }: Setting, side: Side, { path, tasks }: Method, seconds: number, sums: Turns): Promise<void> {
  await lab.usage.sample();
  const stop = (): void => void callers.call("stop", {}, nothing).catch(() => {});
  lab.signal.addEventListener("abort", stop, { once: true });
  const called = await callers.call("run", { endpoint: endpoints[side], path, tasks, callers: lab.options.concurrency, seconds }, calledSchema, seconds * 1000 + turnTimeoutMs);
  lab.signal.removeEventListener("abort", stop);
  await lab.usage.sample();
  const time = called.to - called.from;
  sums.delays.add(decodeFromCompressedBase64(called.delays));
  sums.calls += called.calls;
  sums.timeMs += time;
  sums.mainMs += (lab.usage.cost(side, called.from, called.to)?.main ?? Number.NaN) * time;
  sums.failed += called.failed;
  sums.different += called.different;
  sums.why ||= called.why;
  sums.share = Math.max(sums.share, called.share);
}

function noTurns(): Turns {
  return { delays: delayHistogram(), calls: 0, timeMs: 0, mainMs: 0, failed: 0, different: 0, why: "", share: 0 };
}

function figuresOf(name: string, { daemon, "bare server": bare }: Readonly<Record<Side, Turns>>): Readonly<Record<string, number>> {
  const perSecond = ({ calls, timeMs }: Turns): number => (calls * 1000) / timeMs;
  // NaN, which is left out, also where a turn was too short for the ticks of CPU time.
  const perCpu = ({ calls, mainMs }: Turns): number => calls / (mainMs > 0 ? mainMs : Number.NaN);
  return {
    [`${name}_ratio_to_bare`]: perSecond(daemon) / perSecond(bare),
    // What a second of the main thread brings: tells more where others use the machine, too.
    [`${name}_per_cpu_ratio_to_bare`]: perCpu(daemon) / perCpu(bare),
    [`${name}_p50_ms`]: ms(daemon.delays, 50), [`${name}_p99_ms`]: ms(daemon.delays, 99),
    [`${name}_per_s`]: perSecond(daemon), [`bare_${name}_per_s`]: perSecond(bare),
  };
}

function sum(turns: readonly Turns[], name: "failed" | "different"): number {
  return turns.reduce((total, { [name]: count }) => total + count, 0);
}
