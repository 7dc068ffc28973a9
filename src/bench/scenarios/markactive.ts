/** Scenario markactive: the most frequent call there is, as fast as callers go beside a bare grpc-js server, and as often as all workspaces together make it. */
import { wsman } from "../../gen/proto.js";
import type { Lab } from "../lab.ts";
import { noteActivity } from "../load/activity.ts";
import { besideBare, capture, processNames } from "../load/beside-bare.ts";
import type { Method } from "../load/beside-bare.ts";
import { machineNow } from "../load/clock.ts";
import type { Endpoint } from "../load/grpc-stream.ts";
import { idOfPod } from "../load/found-pods.ts";
import { pathOf } from "../load/paths.ts";
import { addTurn, callsPlot, failureNotes, makeCalls, noTurns, perCpu, perSecond } from "../load/turns.ts";
import type { Side, Sides, Turns } from "../load/turns.ts";
import { apiRequests } from "../parts/daemon.ts";
import type { Daemon } from "../parts/daemon.ts";
import type { Part } from "../parts/part.ts";
import { measured } from "../report/figures.ts";
import { limits, ms, shares } from "../report/limits.ts";
import { percentilePlot } from "../report/plot.ts";
import { usagePlots } from "../report/usage-plots.ts";
import type { Scenario } from "./scenario.ts";

/** Every workspace calls so often, seconds. */
const beatSeconds = 30;
/** Activity is written to each pod so often at most, as daemons do by default, milliseconds. */
const writtenEveryMs = 300_000;
/** Seconds for each side to get warm before it is called as fast as can be. */
const warmupSeconds = 2;
const leadMs = 100;

/** Who calls whom for what. */
interface Setting {
  readonly lab: Lab;
  readonly daemon: Daemon;
  readonly callers: Part;
  readonly endpoints: Readonly<Record<Side, Endpoint>>;
  readonly method: Method;
}

/** Calls at the workspaces' own rate. */
interface Steady {
  readonly turns: Turns;
  readonly requests: number | undefined;
  readonly from: number;
  readonly to: number;
}

export const markactive: Scenario = {
  summary: "MarkActive as fast as --concurrency callers go, beside bare grpc-js with the same bytes; and of --workspaces every 30 s",
  uses: ["concurrency"],
  // A whole round of all workspaces warms up: from then on as many are due to be written as at any time.
  defaults: { workspaces: 10_000, subscribers: 1, seconds: 10, warmup: beatSeconds, qps: 100_000 },
  needs: { pid: ["per_cpu_ratio_to_bare", "daemon_cpu_percent", "rss_mb"], metrics: ["api_requests", "steady_api_requests"] },
  run: async (lab) => {
    const names = await lab.workspaces(lab.options.workspaces);
    await spreadActivity(lab, names);
    await using daemon = await lab.daemon();
    await daemon.synced();
    await using callers = lab.part("callers", "callers");
    const requests = names.map((name) => wsman.MarkActiveRequest.encode({ id: idOfPod(name) }).finish());
    const [first] = (await capture(callers, daemon.endpoint, "MarkActive", requests.slice(0, 1))).tasks;
    const method: Method = { path: pathOf("MarkActive"), tasks: requests.map((request) => ({ request, answer: first?.answer ?? new Uint8Array() })) };
    await using both = await besideBare(lab, callers, daemon, [method]);
    const setting: Setting = { lab, daemon, callers, endpoints: both.endpoints, method };
    const steady = await steadily(setting, "daemon", lab.options.warmup);
    const from = machineNow();
    let asked: number | undefined;
    const sides = await both.measure(method, { warmup: Math.min(lab.options.warmup, warmupSeconds), daemonTurn: async (turn) => {
      const requests = await requestsDuring(daemon, turn);
      if (requests !== undefined) asked = (asked ?? 0) + requests;
    } });
    const to = machineNow();
    // It is warm by now.
    const bareSteady = lab.signal.aborted ? undefined : await steadily(setting, "bare", 0);
    return {
      figures: measured({ ...loopFigures(sides, asked), ...steadyFigures(lab, steady, bareSteady), rss_mb: lab.usage.cost("daemon", from, to)?.rssMb }),
      notes: [
        ...failureNotes("MarkActive", sides), ...(steady.turns.failed > 0 ? [`${steady.turns.failed} calls every ${beatSeconds} s failed: ${steady.turns.why}`] : []),
        ...(lab.signal.aborted ? ["ended early by the user"] : []),
        ...limits(lab.usage, from, to, Math.max(sides.daemon.share, sides.bare.share), steady.turns.late),
        ...shares(lab.usage, steady.from, steady.to, `every ${beatSeconds} s`), ...shares(lab.usage, from, to),
      ],
      plots: [
        percentilePlot("Time to the answer, by percentile", { MarkActive: sides.daemon.delays, "MarkActive, bare": sides.bare.delays, [`every ${beatSeconds} s`]: steady.turns.delays }),
        callsPlot(steady.from, { MarkActive: sides.daemon.counted, "MarkActive, bare": sides.bare.counted, [`every ${beatSeconds} s`]: steady.turns.counted }),
        ...usagePlots(lab, ["daemon", "bare server"], steady.from, to),
      ],
    };
  },
};

/** Notes activity on all pods, as it is after hours: each was written at some time in the last five minutes, no matter which. */
async function spreadActivity(lab: Lab, names: readonly string[]): Promise<void> {
  lab.say(`noting activity on ${names.length} pods`);
  const now = Date.now();
  // Multiples of an irrational number are spread evenly, and have nothing to do with the order of the calls.
  await noteActivity(lab, names, now - writtenEveryMs, (i) => now - writtenEveryMs * ((i * Math.SQRT2) % 1));
}

/** Every workspace's calls, spread evenly: for a time that warms up, and then for those that are measured. @param warmup seconds. */
async function steadily({ lab, daemon, callers, endpoints, method: { path, tasks } }: Setting, side: Side, warmup: number): Promise<Steady> {
  const { seconds, concurrency } = lab.options;
  const rate = tasks.length / beatSeconds;
  const call = async (time: number, skipped: number, turns: Turns): Promise<void> => {
    const called = await makeCalls(lab, callers, {
      target: { kind: "grpc", endpoint: endpoints[side], connections: concurrency },
      work: { kind: "tasks", tasks: [...tasks.slice(skipped % tasks.length), ...tasks.slice(0, skipped % tasks.length)].map((task) => ({ path, ...task })) },
      pace: { kind: "rate", perSecond: rate, startAt: machineNow() + leadMs, seconds: time },
    });
    addTurn(turns, called);
  };
  lab.say(`each workspace every ${beatSeconds} s, ${rate.toFixed(0)} calls/s, ${processNames[side]}`);
  if (warmup > 0) await call(warmup, 0, noTurns());
  if (!lab.signal.aborted) lab.measures();
  const turns = noTurns();
  lab.usage.sample();
  const from = machineNow();
  const requests = await requestsDuring(daemon, () => call(seconds, Math.ceil(rate * warmup), turns));
  lab.usage.sample();
  return { turns, requests, from, to: machineNow() };
}

/** Requests that the daemon made of the API server meanwhile; undefined if it does not tell. */
async function requestsDuring(daemon: Daemon, work: () => Promise<void>): Promise<number | undefined> {
  const before = await apiRequests(daemon);
  await work();
  const after = await apiRequests(daemon);
  return before === undefined || after === undefined ? undefined : after - before;
}

function loopFigures({ daemon, bare }: Sides, requests: number | undefined): Readonly<Record<string, number | undefined>> {
  return {
    ratio_to_bare: perSecond(daemon) / perSecond(bare), per_cpu_ratio_to_bare: perCpu(daemon) / perCpu(bare),
    calls_per_s: perSecond(daemon), bare_calls_per_s: perSecond(bare),
    p50_ms: ms(daemon.delays, 50), p99_ms: ms(daemon.delays, 99), bare_p99_ms: ms(bare.delays, 99),
    api_requests: requests, failed: daemon.failed + bare.failed, different: daemon.different + bare.different,
  };
}

function steadyFigures(lab: Lab, { turns, requests, from, to }: Steady, bare: Steady | undefined): Readonly<Record<string, number | undefined>> {
  const cost = lab.usage.cost(processNames.daemon, from, to);
  const bareCost = bare && lab.usage.cost(processNames.bare, bare.from, bare.to);
  return {
    daemon_cpu_percent: cost && cost.cpu * 100, bare_cpu_percent: bareCost && bareCost.cpu * 100, steady_calls_per_s: perSecond(turns), steady_api_requests: requests,
    steady_p50_ms: ms(turns.delays, 50), steady_p99_ms: ms(turns.delays, 99), steady_failed: turns.failed,
  };
}
