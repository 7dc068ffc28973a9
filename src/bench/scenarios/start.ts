/** Scenario start: StartWorkspace and StopWorkspace at a rate, so many at once, and all at the same moment, beside what the API server takes for the pods alone. */
import type { Lab } from "../lab.ts";
import type { Called } from "../load/called.ts";
import { machineNow } from "../load/clock.ts";
import type { Pace } from "../load/pace.ts";
import { answeredOf, Starts } from "../load/starts.ts";
import { addTurn, inTurn, noSides } from "../load/turns.ts";
import type { Side, Sides } from "../load/turns.ts";
import { Witness } from "../load/witness.ts";
import { apiRequests } from "../parts/daemon.ts";
import type { Daemon } from "../parts/daemon.ts";
import type { Scenario } from "./scenario.ts";
import { startOutcome } from "./start-report.ts";
import type { Storm } from "./start-report.ts";

/** From the order to the first call, and from a workspace's start to its stop, at most; milliseconds. */
const leadMs = 100;
const lifeMs = 1000;
/** Most workspaces of a turn without a rate. */
const maxStarts = 5000;
/** Longest time for all stops of a turn, seconds. */
const stopSeconds = 60;
/** Largest request: it goes as one. */
const maxSize = 60_000;
/** Turns that share the time: of the rate, and of so many at once. */
const turnCount = 2 * inTurn.length;

/** Where everything happens. */
interface Setting {
  readonly lab: Lab;
  readonly daemon: Daemon;
  readonly starts: Starts;
}

/** Starts and stops of both sides. */
interface Both {
  readonly start: Sides;
  readonly stop: Sides;
  /** Requests that the daemon made of the API server for its starts; undefined if it does not tell. */
  requests: number | undefined;
}

export const start: Scenario = {
  summary: "StartWorkspace and StopWorkspace at --rate, --concurrency at once, and --storm at the same moment, beside the bare pods",
  uses: ["concurrency", "storm"],
  defaults: { workspaces: 100, subscribers: 1, size: 10_000, rate: 50, seconds: 40, warmup: 2, concurrency: 50, qps: 100_000 },
  pulls: true,
  needs: { metrics: ["api_requests_per_start"] },
  refuses: ({ size }) => (size > maxSize ? `start sends requests of at most --size ${maxSize}` : undefined),
  run: async (lab) => {
    await lab.workspaces(lab.options.workspaces);
    await using daemon = await lab.daemon();
    await daemon.synced();
    await using callers = lab.part("callers", "callers");
    await using witness = await Witness.open(lab, daemon);
    const starts = await Starts.open(lab, daemon, callers, witness);
    const setting: Setting = { lab, daemon, starts };
    await warmUp(setting);
    const from = machineNow();
    const paced = await inTurns(setting, `${lab.options.rate} a second`, atRate);
    const loop = await inTurns(setting, `${lab.options.concurrency} at once`, atOnce);
    const [bareStorm, storm] = [await stormOf(setting, "bare"), await stormOf(setting, "daemon")];
    lab.usage.sample();
    return startOutcome(lab, { paced, loop, storm, bareStorm, starts, witness, from, to: machineNow() });
  },
};

/** All code is compiled, and connections are there. */
async function warmUp({ lab, starts }: Setting): Promise<void> {
  const { warmup, concurrency } = lab.options;
  if (warmup === 0) return;
  lab.say("warming up");
  for (const side of ["bare", "daemon"] as const) await startAndStop(starts, side, { kind: "loop", callers: concurrency, seconds: warmup / 2 });
}

/** Both sides in turn. */
async function inTurns(setting: Setting, how: string, turn: (setting: Setting, side: Side, both: Both) => Promise<void>): Promise<Both> {
  const { lab } = setting;
  const both: Both = { start: noSides(), stop: noSides(), requests: undefined };
  for (const side of inTurn) {
    if (lab.signal.aborted) break;
    lab.measures();
    lab.say(`${how}, ${side === "bare" ? "bare pods" : "the daemon"}`);
    lab.usage.sample();
    await turn(setting, side, both);
    lab.usage.sample();
  }
  return both;
}

/** Starts are due at a rate, and each workspace's stop a while later. */
async function atRate({ lab, starts }: Setting, side: Side, both: Both): Promise<void> {
  const { rate } = lab.options;
  const seconds = lab.options.seconds / turnCount;
  const ids = starts.ids(Math.ceil(rate * seconds));
  const startAt = machineNow() + leadMs;
  const pace = { kind: "rate", perSecond: rate, seconds } as const;
  const [started, stopped] = await Promise.all([
    starts.start(side, ids, { ...pace, startAt }),
    starts.stop(side, ids, { ...pace, startAt: startAt + Math.min(lifeMs, seconds * 500) }),
  ]);
  addTurn(both.start[side], started);
  addTurn(both.stop[side], stopped);
  await starts.settle(side, { asked: ids, started: answeredOf(ids, started), stopped: answeredOf(ids, stopped) });
}

/** So many at once are started; then they are stopped. */
async function atOnce({ lab, daemon, starts }: Setting, side: Side, both: Both): Promise<void> {
  const { concurrency, seconds } = lab.options;
  const before = side === "daemon" ? await apiRequests(daemon) : undefined;
  const { started, stopped } = await startAndStop(starts, side, { kind: "loop", callers: concurrency, seconds: seconds / turnCount }, async () => {
    const after = side === "daemon" ? await apiRequests(daemon) : undefined;
    if (before !== undefined && after !== undefined) both.requests = (both.requests ?? 0) + after - before;
  });
  addTurn(both.start[side], started);
  addTurn(both.stop[side], stopped);
}

/** @param between happens after the starts. */
async function startAndStop(starts: Starts, side: Side, pace: Extract<Pace, { kind: "loop" }>, between: () => Promise<void> = () => Promise.resolve()): Promise<{ readonly started: Called; readonly stopped: Called }> {
  const all = starts.ids(maxStarts);
  const started = await starts.start(side, all, pace);
  await between();
  const there = answeredOf(all, started);
  const stopped = await starts.stop(side, there, { ...pace, seconds: stopSeconds });
  await starts.settle(side, { asked: all, started: there, stopped: answeredOf(there, stopped) });
  return { started, stopped };
}

/** All at the same moment; then all of them are stopped, likewise. None if there is not to be one. */
async function stormOf({ lab, starts }: Setting, side: Side): Promise<Storm | undefined> {
  if (lab.options.storm === 0 || lab.signal.aborted) return undefined;
  lab.say(`${lab.options.storm} at the same moment, ${side === "bare" ? "bare pods" : "the daemon"}`);
  const asked = starts.ids(lab.options.storm);
  lab.usage.sample();
  const started = await starts.start(side, asked, { kind: "once" });
  const there = answeredOf(asked, started);
  const stopped = await starts.stop(side, there, { kind: "once" });
  await starts.settle(side, { asked, started: there, stopped: answeredOf(there, stopped) });
  return { started, stopped };
}
