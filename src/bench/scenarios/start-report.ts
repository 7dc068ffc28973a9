/** Figures, notes and curves of starts and stops. */
import { decodeFromCompressedBase64 } from "hdr-histogram-js";
import type { Lab } from "../lab.ts";
import type { Called } from "../load/called.ts";
import type { Counted } from "../load/counted.ts";
import { delayHistogram } from "../load/ledger.ts";
import type { StartBook } from "../load/start-book.ts";
import type { Starts } from "../load/starts.ts";
import { callsPlot, failureNotes, overheadFigures, perSecond } from "../load/turns.ts";
import type { Side, Sides } from "../load/turns.ts";
import type { Witness } from "../load/witness.ts";
import { measured } from "../report/figures.ts";
import type { Figures } from "../report/figures.ts";
import { limitsOf, ms, shares } from "../report/limits.ts";
import { percentilePlot } from "../report/plot.ts";
import type { Plot } from "../report/plot.ts";
import { usagePlots } from "../report/usage-plots.ts";
import type { Outcome } from "./scenario.ts";

/** Starts, and then stops, all at the same moment. */
export interface Storm {
  readonly started: Called;
  readonly stopped: Called;
}

/** What a run found. */
export interface Started {
  readonly paced: { readonly start: Sides; readonly stop: Sides };
  readonly loop: { readonly start: Sides; readonly stop: Sides; readonly requests: number | undefined };
  readonly storm: Storm | undefined;
  readonly bareStorm: Storm | undefined;
  readonly starts: Pick<Starts, "faults" | "podBytes">;
  readonly witness: Pick<Witness, "interrupted" | "why"> & { readonly book: Pick<StartBook, "twice" | "ends"> };
  /** On the machine's clock. */
  readonly from: number;
  readonly to: number;
}

/** Puts together what a run gives. */
export function startOutcome(lab: Lab, found: Started): Outcome {
  return { figures: figuresOf(found), notes: notesOf(lab, found), plots: plotsOf(lab, found) };
}

/** The figures, of all loads together where they count faults. */
export function figuresOf({ paced, loop, storm, bareStorm, starts, witness }: Omit<Started, "from" | "to">): Figures {
  const { calls, failed } = loop.start.daemon;
  const { again, afterwards, early } = witness.book.ends;
  return measured({
    ...overheadFigures("start", "bare_create", loop.start), ...overheadFigures("stop", "bare_patch", loop.stop),
    starts_per_s: perSecond(loop.start.daemon), bare_creates_per_s: perSecond(loop.start.bare),
    api_requests_per_start: loop.requests === undefined ? undefined : loop.requests / (calls + failed),
    start_lost: starts.faults.lost, start_twice: witness.book.twice,
    start_failed: failed + paced.start.daemon.failed + (storm?.started.failed ?? 0), stop_failed: loop.stop.daemon.failed + paced.stop.daemon.failed + (storm?.stopped.failed ?? 0),
    stopped_again: again, told_after_stopped: afterwards, stopped_early: early,
    ...overheadFigures("paced_start", "paced_bare_create", paced.start), ...overheadFigures("paced_stop", "paced_bare_patch", paced.stop),
    ...stormFigures("", storm), ...stormFigures("bare_", bareStorm),
    pod_bytes: starts.podBytes,
  });
}

function stormFigures(prefix: string, storm: Storm | undefined): Figures {
  if (!storm) return {};
  const { started, stopped } = storm;
  return {
    [`${prefix}storm_succeeded`]: started.sent - started.failed, [`${prefix}storm_ms`]: started.to - started.from, [`${prefix}storm_p99_ms`]: ms(decodeFromCompressedBase64(started.delays), 99),
    [`${prefix}storm_stops_succeeded`]: stopped.sent - stopped.failed, [`${prefix}storm_stop_ms`]: stopped.to - stopped.from,
  };
}

/** Of both sides, starts and stops. */
function stormCalls({ storm, bareStorm }: Pick<Started, "storm" | "bareStorm">): readonly Called[] {
  return [storm, bareStorm].flatMap((one) => (one ? [one.started, one.stopped] : []));
}

function notesOf(lab: Lab, found: Started): readonly string[] {
  const { paced, loop, starts: { faults }, witness, from, to } = found;
  const turns = [paced.start, paced.stop, loop.start, loop.stop].flatMap((sides) => Object.values(sides));
  const late = delayHistogram();
  for (const turn of turns) late.add(turn.late);
  const storms = stormCalls(found);
  return [
    ...limitsOf(lab.usage, [...turns.flatMap(({ spans }) => spans), ...storms], Math.max(...[...turns, ...storms].map(({ share }) => share)), late),
    ...failureNotes("StartWorkspace at a rate", paced.start), ...failureNotes("StopWorkspace at a rate", paced.stop),
    ...failureNotes("StartWorkspace", loop.start), ...failureNotes("StopWorkspace", loop.stop), ...stormNotes(found),
    ...(faults.lost > 0 ? [`of what was answered ${faults.podless} had no pod, ${faults.untold} were not told, ${faults.unmarked} were not marked to stop, ${faults.left} were not told as STOPPED when the pod was gone`] : []),
    ...(witness.interrupted ? ["the bare watch was ended by the API server: start_lost leaves out pods in the turns in which that happened, and start_twice holds only what it saw"] : []),
    ...(witness.why === "" ? [] : [`the subscriber was ended: ${witness.why}`]),
    budgetNote(lab),
    ...(lab.signal.aborted ? ["ended early by the user"] : []),
    ...shares(lab.usage, from, to),
  ];
}

function stormNotes({ storm, bareStorm }: Started): readonly string[] {
  const notes = (what: string, called: Called | undefined): readonly string[] => (called && called.failed > 0 ? [`${called.failed} ${what} at the same moment failed: ${called.why}`] : []);
  return [...notes("starts", storm?.started), ...notes("stops", storm?.stopped), ...notes("bare creates", bareStorm?.started), ...notes("bare patches", bareStorm?.stopped)];
}

/** What shapes starts beyond a hundred a second. */
export function budgetNote({ options: { target, qps } }: Lab): string {
  if (target) return "the daemon's own budget of requests to the API server is part of the figures";
  return qps === 0 ? "the daemon had its own budget of requests to the API server" : `the daemon was allowed ${qps} requests to the API server a second`;
}

/** How many calls were answered, over the time of all loads. */
function countedIn(side: Side, what: "start" | "stop", { paced, loop, storm, bareStorm }: Started): readonly Counted[] {
  const once = side === "daemon" ? storm : bareStorm;
  return [...paced[what][side].counted, ...loop[what][side].counted, ...(once ? [(what === "start" ? once.started : once.stopped).counted] : [])];
}

function plotsOf(lab: Lab, found: Started): readonly Plot[] {
  const { paced, loop, storm, bareStorm, from, to } = found;
  const delays = (one: Called): ReturnType<typeof delayHistogram> => decodeFromCompressedBase64(one.delays);
  return [
    percentilePlot("Time to the answer, so many at once, by percentile", { StartWorkspace: loop.start.daemon.delays, "bare create": loop.start.bare.delays, StopWorkspace: loop.stop.daemon.delays, "bare patch": loop.stop.bare.delays }),
    percentilePlot("Time to the answer at a rate, by percentile", { StartWorkspace: paced.start.daemon.delays, "bare create": paced.start.bare.delays, StopWorkspace: paced.stop.daemon.delays, "bare patch": paced.stop.bare.delays }),
    percentilePlot("Time to the answer, all at the same moment, by percentile", {
      ...(storm && { StartWorkspace: delays(storm.started), StopWorkspace: delays(storm.stopped) }),
      ...(bareStorm && { "bare create": delays(bareStorm.started), "bare patch": delays(bareStorm.stopped) }),
    }),
    callsPlot(from, {
      StartWorkspace: countedIn("daemon", "start", found), "bare create": countedIn("bare", "start", found),
      StopWorkspace: countedIn("daemon", "stop", found), "bare patch": countedIn("bare", "stop", found),
    }),
    ...usagePlots(lab, ["daemon", "API server", "callers"], from, to),
  ];
}
