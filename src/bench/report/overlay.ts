/** Lays the plots of several runs over each other, so that runs can be compared. */
import type { Outcome } from "../scenarios/scenario.ts";
import type { Figures } from "./figures.ts";
import { summarize } from "./figures.ts";
import type { Line, Plot } from "./plot.ts";

/** A curve in each run that has it; runs count from 0. */
export interface OverlaidLine {
  readonly name: string;
  readonly runs: readonly { readonly run: number; readonly points: Line["points"] }[];
}

/** A plot of all runs. */
export interface OverlaidPlot extends Omit<Plot, "lines"> {
  readonly lines: readonly OverlaidLine[];
}

type InRun = OverlaidLine["runs"][number];

/** The plots of all runs, those with the same title and axes as one, in the order in which they first appear. Values that are no numbers are left out, and so are lines without any. */
export function overlay(runs: readonly Pick<Outcome, "plots">[]): readonly OverlaidPlot[] {
  const plots = new Map<string, { readonly plot: Plot; readonly lines: Map<string, InRun[]> }>();
  for (const [run, outcome] of runs.entries()) {
    for (const plot of outcome.plots) {
      const key = JSON.stringify([plot.title, plot.kind, plot.unit]);
      const { lines } = getOrSet(plots, key, () => ({ plot, lines: new Map<string, InRun[]>() }));
      for (const { name, points } of plot.lines) {
        const finite = points.filter(([x, y]) => Number.isFinite(x) && Number.isFinite(y));
        if (finite.length > 0) getOrSet<string, InRun[]>(lines, name, () => []).push({ run, points: finite });
      }
    }
  }
  return [...plots.values()].map(({ plot: { lines: _own, ...plot }, lines }) => ({ ...plot, lines: [...lines].map(([name, runs]) => ({ name, runs })) }));
}

/** The run (from 0) whose figures are nearest to the medians, each measured by its range; the first of those that are as near; 0 if there are none. */
export function likeMedian(runs: readonly Figures[]): number {
  const summary = summarize(runs);
  const distance = (run: Figures): number => {
    let sum = 0;
    // A figure that the run has not counts as far off as can be.
    for (const [name, { median, min, max }] of summary) if (max > min) sum += run[name] === undefined ? 1 : Math.abs(run[name] - median) / (max - min);
    return sum;
  };
  const distances = runs.map(distance);
  return Math.max(0, distances.indexOf(Math.min(...distances)));
}

function getOrSet<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const found = map.get(key);
  if (found !== undefined) return found;
  const made = make();
  map.set(key, made);
  return made;
}
