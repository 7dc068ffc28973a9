/** Two sides that do the same in turn, one of them the measure of the other: what each side's turns gave together. */
import { decodeFromCompressedBase64 } from "hdr-histogram-js";
import type { Histogram } from "hdr-histogram-js";
import { z } from "zod";
import type { Lab } from "../lab.ts";
import type { Part } from "../parts/part.ts";
import { ms } from "../report/limits.ts";
import type { Span } from "../report/limits.ts";
import { timePlot } from "../report/plot.ts";
import type { Plot } from "../report/plot.ts";
import { calledSchema } from "./called.ts";
import type { Called, CallRun } from "./called.ts";
import { ratePoints } from "./counted.ts";
import type { Counted } from "./counted.ts";
import { delayHistogram } from "./ledger.ts";

/** What a turn may take beyond its own time. */
const turnTimeoutMs = 120_000;
const nothing = z.undefined();

/** Each side has half of its time first and half of it last, so that a drift of the machine meets both alike. */
export const inTurn = ["bare", "daemon", "daemon", "bare"] as const;

/** Who is called. */
export type Side = (typeof inTurn)[number];

/** What a side's turns gave together. */
export interface Turns {
  /** From when a call was due to its answer, and to when it was made. */
  readonly delays: Histogram;
  readonly late: Histogram;
  /** Calls that were answered. */
  calls: number;
  timeMs: number;
  /** Time that the server's main thread ran; NaN where that can not be seen. */
  mainMs: number;
  failed: number;
  different: number;
  why: string;
  /** Busiest share of time of the callers' thread. */
  share: number;
  /** When each turn was, on the machine's clock. */
  readonly spans: Span[];
  /** How many calls were answered in each turn, over time. */
  readonly counted: Counted[];
}

/** Both sides of a measurement. */
export type Sides = Readonly<Record<Side, Turns>>;

/** None yet. */
export function noTurns(): Turns {
  return { delays: delayHistogram(), late: delayHistogram(), calls: 0, timeMs: 0, mainMs: 0, failed: 0, different: 0, why: "", share: 0, spans: [], counted: [] };
}

/** None of either side yet. */
export function noSides(): Sides {
  return { daemon: noTurns(), bare: noTurns() };
}

/** Adds a turn. @param mainShare share of the time that the server's main thread ran. */
export function addTurn(sums: Turns, called: Called, mainShare = Number.NaN): void {
  const time = called.to - called.from;
  sums.delays.add(decodeFromCompressedBase64(called.delays));
  sums.late.add(decodeFromCompressedBase64(called.late));
  sums.calls += called.sent - called.failed;
  sums.timeMs += time;
  sums.mainMs += mainShare * time;
  sums.failed += called.failed;
  sums.different += called.different;
  sums.why ||= called.why;
  sums.share = Math.max(sums.share, called.share);
  sums.spans.push({ from: called.from, to: called.to });
  sums.counted.push(called.counted);
}

/** Lets the callers make calls; the user may end that early, and has what there was. */
export async function makeCalls(lab: Lab, callers: Part, run: CallRun): Promise<Called> {
  const stop = (): void => void callers.call("stop", {}, nothing).catch(() => {});
  lab.signal.addEventListener("abort", stop, { once: true });
  try {
    const called = callers.call("run", run, calledSchema, (run.pace.kind === "once" ? 0 : run.pace.seconds * 1000) + turnTimeoutMs);
    if (lab.signal.aborted) stop();
    return await called;
  } finally {
    lab.signal.removeEventListener("abort", stop);
  }
}

/** Calls that were answered over time. @param from when the plot begins, on the machine's clock. @param lines by name, what was counted in turns of one kind. */
export function callsPlot(from: number, lines: Readonly<Record<string, readonly Counted[]>>): Plot {
  return timePlot("Throughput", "calls/s", Object.fromEntries(Object.entries(lines).map(([name, turns]) => [name, ratePoints(turns.map((counted) => [counted]), from)])));
}

/** Calls per second. */
export function perSecond({ calls, timeMs }: Turns): number {
  return (calls * 1000) / timeMs;
}

/** Calls per second of the server's main thread: tells more where others use the machine, too. NaN also where a turn was too short for the ticks of CPU time. */
export function perCpu({ calls, mainMs }: Turns): number {
  return calls / (mainMs > 0 ? mainMs : Number.NaN);
}

/** Delays of both sides, and what the daemon's are above the bare ones. @param name of the daemon's figures. @param bare of the bare ones. */
export function overheadFigures(name: string, bare: string, sides: Sides): Readonly<Record<string, number>> {
  const at = (percentile: number): Readonly<Record<string, number>> => {
    const [ours, theirs] = [ms(sides.daemon.delays, percentile), ms(sides.bare.delays, percentile)];
    return { [`${name}_p${percentile}_ms`]: ours, [`${bare}_p${percentile}_ms`]: theirs, [`${name}_overhead_p${percentile}_ms`]: ours - theirs };
  };
  return { ...at(50), ...at(99) };
}

/** What went wrong with calls, for people. @param what they were, as in "StopWorkspace". */
export function failureNotes(what: string, sides: Sides): readonly string[] {
  return inTurn.slice(0, 2).flatMap((side) => {
    const { failed, why } = sides[side];
    return failed > 0 ? [`${failed} calls of ${what}${side === "bare" ? ", bare" : ""} failed: ${why}`] : [];
  });
}
