/** Scenario scale: the same changes per second with ever more workspaces: what a change costs must not depend on how many there are, and memory must grow by little. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Histogram } from "hdr-histogram-js";
import type { Lab } from "../lab.ts";
import { machineNow } from "../load/clock.ts";
import { runFlow } from "../load/flow.ts";
import type { Flow } from "../load/flow.ts";
import { startFlood } from "../load/flood.ts";
import { pointsOf } from "../load/timeline.ts";
import { measured, slope } from "../report/figures.ts";
import type { Figures } from "../report/figures.ts";
import { lateness, limits, ms, shares } from "../report/limits.ts";
import { percentilePlot, timePlot } from "../report/plot.ts";
import type { Plot } from "../report/plot.ts";
import type { Outcome, Scenario } from "./scenario.ts";

/** Numbers of workspaces below the one that is asked for. */
const steps = [100, 1000, 5000];
/** CPU time is sampled every quarter of a second: samples from the middle of the load have nothing else in them. */
const edgeMs = 500;

/** What was found with a number of workspaces. */
interface Step {
  readonly workspaces: number;
  readonly flow: Flow;
  readonly restedAt: number;
  readonly cpuMicros: number | undefined;
  readonly rssMb: number | undefined;
}

export const scale: Scenario = {
  summary: "--rate changes/s with 100, 1,000, 5,000 and --workspaces workspaces, each with a daemon of its own: CPU per change and memory",
  defaults: { workspaces: 20_000, subscribers: 10, rate: 200, seconds: 8 },
  replays: true,
  needs: { pid: ["cpu_growth", "rss_mb_per_1000", "cpu_us_per_change_*", "rss_mb_*"] },
  run: async (lab) => {
    if (!lab.ownsAll && lab.options.runs > 1) throw new Error("on a cluster that is not its own, scale runs once: workspaces are only added there");
    const all: Step[] = [];
    for (const workspaces of [...steps.filter((step) => step < lab.options.workspaces), lab.options.workspaces]) {
      if (lab.signal.aborted) break;
      const step = await oneStep(lab, workspaces).catch((error: unknown) => {
        // What was measured before counts, though this one was ended.
        if (!lab.signal.aborted) throw error;
      });
      if (step) all.push(step);
    }
    const alone = all.length === 1 ? [`with one number of workspaces (${all[0]?.workspaces}) there is no growth to tell of: take --workspaces above ${steps[0]}`] : [];
    return { figures: figuresOf(all), notes: [...alone, ...all.flatMap((step) => notes(lab, step))], plots: plots(lab, all) };
  },
};

async function oneStep(lab: Lab, workspaces: number): Promise<Step> {
  const { rate, warmup, seconds, rest } = lab.options;
  await using flood = await startFlood(lab, workspaces);
  // Half a second more than is measured at the end, too.
  const total = Math.ceil(rate * (warmup + seconds + edgeMs / 1000));
  // On a busy machine nobody may look again before the end.
  await lab.usage.sample();
  const flow = await runFlow(lab, flood, () => flood.plan(rate, total, rate * warmup));
  await lab.usage.sample();
  const cost = lab.usage.cost("daemon", flow.from + edgeMs, flow.to - edgeMs);
  // What was carried, which on a slow cluster is less than what was asked for.
  const perSecond = (flow.sent.sent * 1000) / (flow.deliveredAt - flow.plan.startAt);
  const restFrom = machineNow();
  await lab.usage.sample();
  await sleep(rest * 1000, undefined, { signal: lab.signal }).catch(() => {});
  await lab.usage.sample();
  const restedAt = machineNow();
  const rested = lab.usage.cost("daemon", restFrom, restedAt);
  return { workspaces, flow, restedAt, cpuMicros: cost && (cost.cpu * 1e6) / perSecond, rssMb: rested?.rssMb };
}

function figuresOf(all: readonly Step[]): Figures {
  const by = (name: string, value: (step: Step) => number | undefined): Record<string, number | undefined> => Object.fromEntries(all.map((step) => [`${name}_${step.workspaces}`, value(step)]));
  // Less than a tick of /proc is nothing to compare with.
  const cpu = all.flatMap(({ cpuMicros = 0 }) => (cpuMicros > 0 ? cpuMicros : []));
  const memory = all.flatMap(({ workspaces, rssMb }) => (rssMb === undefined ? [] : [[workspaces / 1000, rssMb] as const]));
  const sum = (name: "lost" | "reordered" | "repeated"): number => all.reduce((total, { flow }) => total + flow.balance[name], 0);
  return measured({
    cpu_growth: cpu.length > 1 ? (cpu.at(-1) ?? Number.NaN) / (cpu[0] ?? Number.NaN) : undefined,
    rss_mb_per_1000: slope(memory),
    lost: sum("lost"), reordered: sum("reordered"), repeated: sum("repeated"),
    ...by("cpu_us_per_change", ({ cpuMicros }) => cpuMicros),
    ...by("rss_mb", ({ rssMb }) => rssMb),
    ...by("latency_p50_ms", ({ flow }) => ms(flow.latency, 50)),
    ...by("latency_p99_ms", ({ flow }) => ms(flow.latency, 99)),
  });
}

function notes(lab: Lab, { workspaces, flow }: Step): Outcome["notes"] {
  const all = [...limits(lab.usage, flow.from, flow.to, flow.share, flow.late), ...lateness(flow.balance, flow.waited)];
  if (flow.sent.failed > 0) all.push(`the API server did not take ${flow.sent.failed} changes`);
  if (flow.ended > 0) all.push(`${flow.ended} streams ended early: ${flow.why}`);
  if (lab.signal.aborted) all.push("ended early by the user");
  return [...all, ...shares(lab.usage, flow.from, flow.to)].map((note) => `${workspaces} workspaces: ${note}`);
}

function plots(lab: Lab, all: readonly Step[]): readonly Plot[] {
  const named = <T>(value: (step: Step) => T): Record<string, T> => Object.fromEntries(all.map((step) => [`${step.workspaces} workspaces`, value(step)]));
  const curves = (step: Step): ReturnType<typeof lab.usage.curves> => lab.usage.curves("daemon", step.flow.plan.startAt, step.restedAt);
  const delays: Readonly<Record<string, Histogram>> = named(({ flow }) => flow.latency);
  return [
    percentilePlot("Delay by percentile, from due to delivered", delays),
    timePlot("Longest delay in each second", "ms", named(({ flow }) => flow.longestPerSecond.map((value, second) => [second + 0.5, value] as const))),
    timePlot("Throughput", "messages/s", named(({ flow }) => pointsOf(flow.deliveredPerSecond, "sum", (flow.deliveredAt - flow.plan.startAt) / 1000))),
    timePlot("The daemon's resident memory", "MiB", named((step) => curves(step).rss)),
    timePlot("The daemon's CPU", "cores", named((step) => curves(step).cpu)),
  ];
}
