/** What scale found: figures, notes and plots. */
import type { Lab } from "../lab.ts";
import { inTime, joinedDelays, wholeOf } from "../load/flow.ts";
import type { Flow } from "../load/flow.ts";
import { pointsOf } from "../load/timeline.ts";
import { measured, slope } from "../report/figures.ts";
import type { Figures } from "../report/figures.ts";
import { endedEarly, lateness, limitsOf, ms, notTaken, shares, toolName } from "../report/limits.ts";
import { percentilePlot, timePlot } from "../report/plot.ts";
import type { Plot } from "../report/plot.ts";
import type { Outcome } from "./scenario.ts";

/** From a turn's end, and to the next one's begin, milliseconds: longer than between two samples of CPU time. */
const afterMs = 500;

/** A turn of a size. */
export interface Turn extends Flow {
  /** What of it is not measured at both ends, milliseconds. */
  readonly edgeMs: number;
}

/** A number of workspaces, and what was found with it. */
export interface Size {
  readonly workspaces: number;
  /** Of its processes' names. */
  readonly suffix: string;
  readonly turns: readonly Turn[];
  /** When the rest after its last turn was over, on the machine's clock; and the daemon's resident memory then. */
  readonly restedAt: number;
  readonly rssMb: number | undefined;
}

/** What is asked of the laboratory. */
interface Seen {
  readonly signal: Pick<Lab["signal"], "aborted">;
  readonly usage: Pick<Lab["usage"], "names" | "cost" | "machine" | "curves">;
}

/** @param asked the sizes that were to be measured. */
export function scaleOutcome(lab: Seen, all: readonly Size[], asked: readonly number[]): Outcome {
  const seen = all.filter(({ turns }) => turns.length > 0);
  const unseen = asked.filter((workspaces) => !seen.some((size) => size.workspaces === workspaces));
  const alone = asked.length === 1 ? [`with one number of workspaces (${asked[0]}) there is no growth to tell of: take more of them (--workspaces)`] : [];
  return { figures: figuresOf(lab, seen, asked), notes: [...alone, ...seen.flatMap((size) => notes(lab, size)), ...(unseen.length > 0 ? [`nothing was measured with ${unseen.join(", ")} workspaces`] : []), ...(lab.signal.aborted ? ["ended early by the user"] : [])], plots: plots(lab, seen) };
}

function figuresOf(lab: Seen, all: readonly Size[], asked: readonly number[]): Figures {
  const by = (name: string, value: (size: Size) => number | undefined): Record<string, number | undefined> => Object.fromEntries(all.map((size) => [`${name}_${size.workspaces}`, value(size)]));
  const memory = all.flatMap(({ workspaces, rssMb }) => (rssMb === undefined ? [] : [[workspaces / 1000, rssMb] as const]));
  const sum = (name: "lost" | "reordered" | "repeated"): number => all.flatMap(({ turns }) => turns).reduce((total, { balance }) => total + balance[name], 0);
  return measured({
    cpu_growth: growth(lab, all, asked),
    // The same rest after the same load, or nothing to compare.
    rss_mb_per_1000: lab.signal.aborted ? undefined : slope(memory),
    lost: sum("lost"), reordered: sum("reordered"), repeated: sum("repeated"),
    ...by("cpu_us_per_change", (size) => cpuMicros(lab, size)),
    ...by("idle_cpu_percent", (size) => idlePercent(lab, size)),
    ...by("rss_mb", ({ rssMb }) => rssMb),
    ...by("latency_p50_ms", ({ turns }) => ms(joinedDelays(wholeOf(turns), "latency"), 50)),
    ...by("latency_p99_ms", ({ turns }) => ms(joinedDelays(wholeOf(turns), "latency"), 99)),
  });
}

/** The cost with the most workspaces over that with the fewest, of the rounds that both have. */
function growth(lab: Seen, all: readonly Size[], asked: readonly number[]): number | undefined {
  const [first, last] = [all[0], all.at(-1)];
  if (!first || !last || asked.length < 2 || last.workspaces !== asked.at(-1)) return undefined;
  const rounds = Math.min(...[first, last].map(({ turns }) => wholeOf(turns).length));
  const [least = 0, most = 0] = [first, last].map((size) => cpuMicros(lab, { ...size, turns: wholeOf(size.turns).slice(0, rounds) }));
  // Less than a tick of /proc is nothing to compare with.
  return least > 0 && most > 0 ? most / least : undefined;
}

/** CPU time per change, over all turns that were not cut short; undefined where it can not be seen. */
function cpuMicros(lab: Seen, { suffix, turns }: Size): number | undefined {
  const costs = wholeOf(turns).flatMap(({ from, to, sent, deliveredAt, plan, edgeMs }) => {
    const cost = lab.usage.cost(`daemon${suffix}`, from + edgeMs, to - edgeMs);
    // What was carried, which on a slow cluster is less than what was asked for.
    return cost && sent.sent > 0 ? (cost.cpu * 1000 * (deliveredAt - plan.startAt)) / sent.sent : [];
  });
  return costs.length === 0 ? undefined : costs.reduce((sum, cost) => sum + cost, 0) / costs.length;
}

/** Percent of a core that a daemon takes between its turns: what it would put off until then, as collections, is seen here. Undefined where there is nothing between. */
function idlePercent(lab: Seen, { suffix, turns }: Size): number | undefined {
  const between = turns.slice(1).flatMap(({ plan }, i) => {
    const [from, to] = [(turns[i]?.deliveredAt ?? 0) + afterMs, plan.startAt - afterMs];
    return to > from ? (lab.usage.cost(`daemon${suffix}`, from, to) ?? []) : [];
  });
  return between.length === 0 ? undefined : (between.reduce((sum, { cpu }) => sum + cpu, 0) / between.length) * 100;
}

function notes(lab: Seen, { workspaces, suffix, turns }: Size): Outcome["notes"] {
  const all = [...limitsOf(lab.usage, turns, Math.max(...turns.map(({ share }) => share)), joinedDelays(turns, "late")), ...turns.flatMap(({ balance, waited }) => lateness(balance, waited))];
  const failed = turns.reduce((sum, { sent }) => sum + sent.failed, 0);
  all.push(...notTaken(failed));
  // The streams are the same in all turns.
  const { ended = 0, why = "", from = 0, to = 0 } = turns.at(-1) ?? {};
  all.push(...endedEarly(ended, why));
  const own = (name: string): boolean => name === toolName || name.endsWith(suffix);
  return [...all, ...shares(lab.usage, from, to, "last turn", own)].map((note) => `${workspaces} workspaces: ${note}`);
}

function plots(lab: Seen, all: readonly Size[]): readonly Plot[] {
  const begin = all[0]?.turns[0]?.plan.startAt ?? 0;
  const named = <T>(value: (size: Size) => T): Record<string, T> => Object.fromEntries(all.map((size) => [`${size.workspaces} workspaces`, value(size)]));
  return [
    percentilePlot("Delay by percentile, from due to delivered", named(({ turns }) => joinedDelays(turns, "latency"))),
    timePlot("Longest delay in each second", "ms", named(({ turns }) => inTime(turns, begin, ({ longestPerSecond }) => longestPerSecond.map((value, second) => [second + 0.5, value] as const)))),
    timePlot("Throughput", "messages/s", named(({ turns }) => inTime(turns, begin, ({ deliveredPerSecond, deliveredAt, plan }) => pointsOf(deliveredPerSecond, "sum", (deliveredAt - plan.startAt) / 1000)))),
    timePlot("The daemons' resident memory", "MiB", named((size) => curve(lab, size, begin, "rss"))),
    timePlot("The daemons' CPU", "cores", named((size) => curve(lab, size, begin, "cpu"))),
  ];
}

/** From a size's own first turn: on another cluster a daemon of the same name was there before. */
function curve(lab: Seen, { suffix, turns, restedAt }: Size, begin: number, which: "rss" | "cpu"): Plot["lines"][number]["points"] {
  const from = turns[0]?.plan.startAt ?? begin;
  return lab.usage.curves(`daemon${suffix}`, from, restedAt)[which].map(([at, value]) => [at + (from - begin) / 1000, value] as const);
}
