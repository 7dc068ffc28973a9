/** Scenario scale: the same changes per second with ever more workspaces: what a change costs must not depend on how many there are, and memory must grow by little. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Lab } from "../lab.ts";
import { machineNow } from "../load/clock.ts";
import { runFlowTo } from "../load/flow.ts";
import { startFlood } from "../load/flood.ts";
import type { Flooded } from "../load/flood.ts";
import { openSubscribers, startSubscribers } from "../load/run.ts";
import type { Crowd } from "../load/run.ts";
import { scaleOutcome } from "./scale-report.ts";
import type { Size, Turn } from "./scale-report.ts";
import type { Scenario } from "./scenario.ts";

/** Numbers of workspaces below the one that is asked for. */
const steps = [100, 1000, 5000];
/** CPU time is sampled every quarter of a second: samples from the middle of a turn have nothing else in them. Of a turn in which little is measured, as much at each end. */
const maxEdgeMs = 500;
/** Before each turn but the first, seconds: what has had nothing to do for a while finds cold caches, and a young generation that was made small. */
const maxAgainSeconds = 1;
/** How long a turn is measured, seconds, more or less. Short ones: a watch that brings nothing for a minute and a half is made anew. */
const usualTurnSeconds = 3;
/** Most turns of each size; of a longer load they are longer. */
const maxTurns = 40;

/** A size that can be measured, with a daemon and subscribers of its own. End it with `await using`. */
interface Step extends Size, AsyncDisposable {
  readonly flood: Flooded;
  readonly crowd: Crowd;
  readonly turns: Turn[];
  restedAt: number;
  rssMb: number | undefined;
}

export const scale: Scenario = {
  summary: "--rate changes/s with 100, 1,000, 5,000 and --workspaces workspaces, each with a daemon of its own, in turn: CPU per change and memory",
  uses: ["rest"],
  defaults: { workspaces: 20_000, subscribers: 10, rate: 200, seconds: 12 },
  replays: true,
  needs: { pid: ["cpu_growth", "rss_mb_per_1000", "cpu_us_per_change_*", "rss_mb_*"] },
  refuses: ({ kubeconfig, runs }) => (kubeconfig !== undefined && runs > 1 ? "on a cluster that is not its own, scale runs once: workspaces are only added there" : undefined),
  run: async (lab) => {
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
    return scaleOutcome(lab, all, sizes);
  },
};

/** All daemons at the same time, of which one at a time has something to do. */
async function together(lab: Lab, sizes: readonly number[], all: Step[], ending: AsyncDisposableStack): Promise<void> {
  for (const workspaces of sizes) {
    if (lab.signal.aborted) return;
    all.push(ending.use(await open(lab, workspaces, ` with ${workspaces}`)));
  }
  const rounds = roundsOf(lab.options.seconds);
  for (const [round, step] of inTurn(all, rounds)) {
    if (lab.signal.aborted) break;
    await turn(lab, step, rounds);
    // Each after the same rest, whoever comes next.
    if (round === rounds - 1) await rest(lab, step);
  }
  // Whom the user's end left without.
  for (const step of all) if (step.restedAt === 0 && step.turns.length > 0) await rest(lab, step);
}

/** Turns that each size has: four, or a multiple of them, so that their order meets the first and the last size alike; two for a mere look whether all works. */
export function roundsOf(seconds: number): number {
  return seconds < usualTurnSeconds ? 2 : Math.min(maxTurns, 4 * Math.max(1, Math.round(seconds / usualTurnSeconds / 4)));
}

/** Forth, back, back, forth: what the machine does meanwhile, and the time since its last turn, are the same for the first and the last, which are compared. */
export function inTurn<T>(all: readonly T[], rounds: number): readonly (readonly [round: number, one: T])[] {
  return Array.from({ length: rounds }, (_, round) => (round % 4 === 0 || round % 4 === 3 ? all : all.toReversed()).map((step) => [round, step] as const)).flat();
}

/** On a cluster that is not ours, workspaces are only added, and there may be one daemon alone. */
async function oneAfterTheOther(lab: Lab, sizes: readonly number[], all: Step[], ending: AsyncDisposableStack): Promise<void> {
  for (const workspaces of sizes) {
    if (lab.signal.aborted) return;
    const step = ending.use(await open(lab, workspaces, ""));
    all.push(step);
    await turn(lab, step, 1);
    await rest(lab, step);
    await step[Symbol.asyncDispose]();
  }
}

async function open(lab: Lab, workspaces: number, suffix: string): Promise<Step> {
  await using opening = new AsyncDisposableStack();
  const flood = opening.use(await startFlood(lab, workspaces, suffix));
  const { parts: crowd } = opening.use(startSubscribers(lab, suffix));
  await openSubscribers(lab, crowd, flood.daemon, 0);
  const ending = opening.move();
  return { workspaces, suffix, flood, crowd, turns: [], restedAt: 0, rssMb: undefined, [Symbol.asyncDispose]: () => ending.disposeAsync() };
}

/** @param count of turns that a step has in all. */
async function turn(lab: Lab, { workspaces, flood, crowd, turns }: Step, count: number): Promise<void> {
  const { rate, warmup, seconds } = lab.options;
  const warming = turns.length === 0 ? warmup : Math.min(warmup, maxAgainSeconds);
  lab.say(`${workspaces} workspaces, turn ${turns.length + 1} of ${count}`);
  const measuredMs = (seconds * 1000) / count;
  const edgeMs = Math.min(maxEdgeMs, measuredMs);
  const total = Math.ceil(rate * (warming + (measuredMs + 2 * edgeMs) / 1000));
  // On a busy machine nobody may look again before the end.
  lab.usage.sample();
  const flow = await runFlowTo(lab, flood, crowd, flood.plan(rate, total, rate * warming));
  turns.push({ ...flow, edgeMs });
  lab.usage.sample();
}

/** Lets a daemon be for a while: what memory it has then. */
async function rest(lab: Lab, step: Step): Promise<void> {
  const from = machineNow();
  lab.usage.sample();
  await sleep(lab.options.rest * 1000, undefined, { signal: lab.signal }).catch(() => {});
  lab.usage.sample();
  step.restedAt = machineNow();
  step.rssMb = lab.usage.cost(`daemon${step.suffix}`, from, step.restedAt)?.rssMb;
}
