/** Figures of several runs: medians and spreads. */

/** Figures of one run by name; what could not be measured is left out. */
export type Figures = Readonly<Record<string, number>>;

/** A figure over all runs. */
export interface Summary {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** The median: the middle one, or the mean of the two in the middle. NaN for none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const half = sorted.length / 2;
  return ((sorted[Math.ceil(half) - 1] ?? Number.NaN) + (sorted[Math.floor(half)] ?? Number.NaN)) / 2;
}

/** By how much y grows with x: the slope of the line with the least squares. NaN for fewer than two different x. */
export function slope(points: readonly (readonly [x: number, y: number])[]): number {
  const mean = (axis: 0 | 1): number => points.reduce((sum, point) => sum + point[axis], 0) / points.length;
  const [meanX, meanY] = [mean(0), mean(1)];
  const products = points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0);
  const squares = points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0);
  return products / squares;
}

/** Summaries of all figures, in the order of the first run. */
export function summarize(runs: readonly Figures[]): ReadonlyMap<string, Summary> {
  const names = new Set(runs.flatMap((run) => Object.keys(run)));
  return new Map([...names].map((name) => {
    const values = runs.flatMap((run) => run[name] ?? []);
    return [name, { median: median(values), min: Math.min(...values), max: Math.max(...values) }] as const;
  }));
}

/** Without figures that could not be measured. */
export function measured(figures: Readonly<Record<string, number | undefined>>): Figures {
  const kept: Record<string, number> = {};
  for (const [name, value] of Object.entries(figures)) if (value !== undefined && Number.isFinite(value)) kept[name] = value;
  return kept;
}
