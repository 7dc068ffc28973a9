/** Scenario scale: the same changes per second with ever more workspaces: what a change costs must not depend on how many there are, and memory must grow by little. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Lab } from "../lab.ts";
import { machineNow } from "../load/clock.ts";
import { inTime, joinedDelays, runFlowTo } from "../load/flow.ts";
import type { Flow } from "../load/flow.ts";
import { startFlood } from "../load/flood.ts";
import type { Flooded } from "../load/flood.ts";
import { closeSubscribers, openSubscribers, startSubscribers } from "../load/run.ts";
import type { Crowd } from "../load/run.ts";
import { pointsOf } from "../load/timeline.ts";
import { measured, slope } from "../report/figures.ts";
import type { Figures } from "../report/figures.ts";
import { lateness, limitsOf, ms, shares, toolName } from "../report/limits.ts";
import { percentilePlot, timePlot } from "../report/plot.ts";
import type { Plot } from "../report/plot.ts";
import type { Outcome, Scenario } from "./scenario.ts";

/** Numbers of workspaces below the one that is asked for. */
const steps = [100, 1000, 5000];
/** CPU time is sampled every quarter of a second: samples from the middle of a turn have nothing else in them. Of a turn in which little is measured, as much at each end. */
const maxEdgeMs = 500;
/** Each size has its turns with those of the others between them, forth and back, so that what the machine does meanwhile meets all alike. */
const maxTurns = 4;
/** Shorter ones (seconds) tell little: then there are fewer, but for once forth and once back. */
const usualTurn = 2;

/** What a turn found. */
interface Turn extends Flow {
  /** What of it is not measured at both ends, milliseconds. */
  readonly edgeMs: number;
}

/** A number of workspaces, with a daemon and subscribers of its own. End it with `await using`. */
interface Step extends AsyncDisposable {
  readonly workspaces: number;
  /** Of its processes' names. */
  readonly suffix: string;
  readonly flood: Flooded;
  readonly crowd: Crowd;
  /** Its turns. */
  readonly flows: Turn[];
  /** When the last one's rest was over, on the machine's clock; and the daemon's resident memory then. */
  restedAt: number;
  rssMb: number | undefined;
}

export const scale: Scenario = {
  summary: "--rate changes/s with 100, 1,000, 5,000 and --workspaces workspaces, each with a daemon of its own, in turn: CPU per change and memory",
  uses: ["rest"],
  defaults: { workspaces: 20_000, subscribers: 10, rate: 200, seconds: 12 },
  replays: true,
  needs: { pid: ["cpu_growth", "rss_mb_per_1000", "cpu_us_per_change_*", "rss_mb_*"] },
  run: async (lab) => {
    if (!lab.ownsAll && lab.options.runs > 1) throw new Error("on a cluster that is not its own, scale runs once: workspaces are only added there");
    const sizes = [...steps.filter((step) => step < lab.options.workspaces), lab.options.workspaces];
    await using ending = new AsyncDisposableStack();
    const all: Step[] = [];
    try {
      if (lab.ownsAll) await together(lab, sizes, all, ending);
      else await oneAfterTheOther(lab, sizes, all, ending);
    } catch (error) {
      // What was measured before counts, though this turn was ended.
      if (!lab.signal.aborted) throw error;
    }
    const seen = all.filter(({ flows }) => flows.length > 0);
    const alone = seen.length === 1 ? [`with one number of workspaces (${seen[0]?.workspaces}) there is no growth to tell of: take --workspaces above ${steps[0]}`] : [];
    return { figures: figuresOf(lab, seen), notes: [...alone, ...seen.flatMap((step) => notes(lab, step)), ...(lab.signal.aborted ? ["ended early by the user"] : [])], plots: plots(lab, seen) };
  },
};

/** All daemons at the same time, of which one at a time has something to do. */
async function together(lab: Lab, sizes: readonly number[], all: Step[], ending: AsyncDisposableStack): Promise<void> {
  for (const workspaces of sizes) all.push(ending.use(await open(lab, workspaces, ` with ${workspaces}`)));
  const turns = Math.max(2, Math.min(maxTurns, Math.floor(lab.options.seconds / usualTurn)));
  for (let round = 0; round < turns; round++) {
    for (const step of round % 2 === 0 ? all : all.toReversed()) await turn(lab, step, turns);
  }
  await rest(lab, all);
}

/** On a cluster that is not ours, workspaces are only added, and there may be one daemon alone. */
async function oneAfterTheOther(lab: Lab, sizes: readonly number[], all: Step[], ending: AsyncDisposableStack): Promise<void> {
  for (const workspaces of sizes) {
    const step = ending.use(await open(lab, workspaces, ""));
    all.push(step);
    await turn(lab, step, 1);
    await rest(lab, [step]);
    await step[Symbol.asyncDispose]();
  }
}

async function open(lab: Lab, workspaces: number, suffix: string): Promise<Step> {
  lab.signal.throwIfAborted();
  await using opening = new AsyncDisposableStack();
  const flood = opening.use(await startFlood(lab, workspaces, suffix));
  const { parts: crowd } = opening.use(startSubscribers(lab, suffix));
  await openSubscribers(lab, crowd, flood.daemon, 0);
  opening.defer(() => closeSubscribers(crowd));
  const ending = opening.move();
  return { workspaces, suffix, flood, crowd, flows: [], restedAt: 0, rssMb: undefined, [Symbol.asyncDispose]: () => ending.disposeAsync() };
}

/** @param turns that a step has in all. */
async function turn(lab: Lab, { workspaces, flood, crowd, flows }: Step, turns: number): Promise<void> {
  lab.signal.throwIfAborted();
  const { rate, warmup, seconds } = lab.options;
  const warming = flows.length === 0 ? warmup : 0;
  lab.say(`${workspaces} workspaces, turn ${flows.length + 1} of ${turns}`);
  const measuredSeconds = seconds / turns;
  const edgeMs = Math.min(maxEdgeMs, measuredSeconds * 1000);
  const total = Math.ceil(rate * (warming + measuredSeconds + (2 * edgeMs) / 1000));
  // On a busy machine nobody may look again before the end.
  await lab.usage.sample();
  flows.push({ ...(await runFlowTo(lab, flood, crowd, flood.plan(rate, total, rate * warming))), edgeMs });
  await lab.usage.sample();
}

/** Lets daemons be for a while: what memory they have then. */
async function rest(lab: Lab, all: readonly Step[]): Promise<void> {
  const from = machineNow();
  await lab.usage.sample();
  await sleep(lab.options.rest * 1000, undefined, { signal: lab.signal }).catch(() => {});
  await lab.usage.sample();
  for (const step of all) {
    step.restedAt = machineNow();
    step.rssMb = lab.usage.cost(`daemon${step.suffix}`, from, step.restedAt)?.rssMb;
  }
}

/** CPU time per change, over all turns; undefined where it can not be seen. */
function cpuMicros(lab: Lab, { suffix, flows }: Step): number | undefined {
  const costs = flows.flatMap(({ from, to, sent, deliveredAt, plan, edgeMs }) => {
    const cost = lab.usage.cost(`daemon${suffix}`, from + edgeMs, to - edgeMs);
    // What was carried, which on a slow cluster is less than what was asked for.
    return cost ? (cost.cpu * 1000 * (deliveredAt - plan.startAt)) / sent.sent : [];
  });
  return costs.length === 0 ? undefined : costs.reduce((sum, cost) => sum + cost, 0) / costs.length;
}

function figuresOf(lab: Lab, all: readonly Step[]): Figures {
  const by = (name: string, value: (step: Step) => number | undefined): Record<string, number | undefined> => Object.fromEntries(all.map((step) => [`${name}_${step.workspaces}`, value(step)]));
  const costs = new Map(all.map((step) => [step, cpuMicros(lab, step)]));
  // Less than a tick of /proc is nothing to compare with.
  const cpu = [...costs.values()].flatMap((cost = 0) => (cost > 0 ? cost : []));
  const memory = all.flatMap(({ workspaces, rssMb }) => (rssMb === undefined ? [] : [[workspaces / 1000, rssMb] as const]));
  const sum = (name: "lost" | "reordered" | "repeated"): number => all.flatMap(({ flows }) => flows).reduce((total, { balance }) => total + balance[name], 0);
  return measured({
    cpu_growth: cpu.length > 1 ? (cpu.at(-1) ?? Number.NaN) / (cpu[0] ?? Number.NaN) : undefined,
    rss_mb_per_1000: slope(memory),
    lost: sum("lost"), reordered: sum("reordered"), repeated: sum("repeated"),
    ...by("cpu_us_per_change", (step) => costs.get(step)),
    ...by("rss_mb", ({ rssMb }) => rssMb),
    ...by("latency_p50_ms", ({ flows }) => ms(joinedDelays(flows, "latency"), 50)),
    ...by("latency_p99_ms", ({ flows }) => ms(joinedDelays(flows, "latency"), 99)),
  });
}

function notes(lab: Lab, { workspaces, suffix, flows }: Step): Outcome["notes"] {
  const all = [...limitsOf(lab.usage, flows, Math.max(...flows.map(({ share }) => share)), joinedDelays(flows, "late")), ...flows.flatMap(({ balance, waited }) => lateness(balance, waited))];
  const failed = flows.reduce((sum, { sent }) => sum + sent.failed, 0);
  if (failed > 0) all.push(`the API server did not take ${failed} changes`);
  // The streams are the same in all turns.
  const { ended = 0, why = "", from = 0, to = 0 } = flows.at(-1) ?? {};
  if (ended > 0) all.push(`${ended} streams ended early: ${why}`);
  // What the other sizes' processes take while they have nothing to do is not told.
  const own = { names: lab.usage.names.filter((name) => name === toolName || name.endsWith(suffix)), cost: lab.usage.cost.bind(lab.usage), machine: lab.usage.machine.bind(lab.usage) };
  return [...all, ...shares(own, from, to)].map((note) => `${workspaces} workspaces: ${note}`);
}

function plots(lab: Lab, all: readonly Step[]): readonly Plot[] {
  const begin = all[0]?.flows[0]?.plan.startAt ?? 0;
  const named = <T>(value: (step: Step) => T): Record<string, T> => Object.fromEntries(all.map((step) => [`${step.workspaces} workspaces`, value(step)]));
  const curves = ({ suffix, restedAt }: Step): ReturnType<typeof lab.usage.curves> => lab.usage.curves(`daemon${suffix}`, begin, restedAt);
  return [
    percentilePlot("Delay by percentile, from due to delivered", named(({ flows }) => joinedDelays(flows, "latency"))),
    timePlot("Longest delay in each second", "ms", named((step) => inTime(step.flows, begin, ({ longestPerSecond }) => longestPerSecond.map((value, second) => [second + 0.5, value] as const)))),
    timePlot("Throughput", "messages/s", named((step) => inTime(step.flows, begin, ({ deliveredPerSecond, deliveredAt, plan }) => pointsOf(deliveredPerSecond, "sum", (deliveredAt - plan.startAt) / 1000)))),
    timePlot("The daemons' resident memory", "MiB", named((step) => curves(step).rss)),
    timePlot("The daemons' CPU", "cores", named((step) => curves(step).cpu)),
  ];
}
