/** Curves of a run, for the HTML report. */
import type { Histogram } from "hdr-histogram-js";

/** A curve. Points are [x, y], in the order of x. */
export interface Line {
  readonly name: string;
  readonly points: readonly (readonly [number, number])[];
}

/** A plot. `time`: x is seconds since the begin of what was measured. `percentiles`: x is a percentile, 0 to 100; its interesting part is near 100. */
export interface Plot {
  readonly title: string;
  readonly kind: "time" | "percentiles";
  /** Of the y axis. */
  readonly unit: string;
  readonly lines: readonly Line[];
  /** Why there are no lines, if there never are. */
  readonly remark?: string;
}

const percentiles = [0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 98, 99, 99.5, 99.8, 99.9, 99.95, 99.99, 100];

/** Delays (histograms of microseconds) by percentile, in milliseconds. Empty histograms are left out. */
export function percentilePlot(title: string, histograms: Readonly<Record<string, Histogram>>): Plot {
  const lines = Object.entries(histograms).filter(([, histogram]) => histogram.totalCount > 0)
    .map(([name, histogram]): Line => ({ name, points: percentiles.map((p) => [p, histogram.getValueAtPercentile(p) / 1000]) }));
  return { title, kind: "percentiles", unit: "ms", lines };
}

/** Values over time. Lines without points are left out. */
export function timePlot(title: string, unit: string, lines: Readonly<Record<string, Line["points"]>>): Plot {
  return { title, kind: "time", unit, lines: Object.entries(lines).filter(([, points]) => points.length > 0).map(([name, points]) => ({ name, points })) };
}

/** In place of a plot that would mean nothing. @param remark why. */
export function absentPlot(title: string, remark: string): Plot {
  return { title, kind: "percentiles", unit: "", lines: [], remark };
}

/** Most points of a curve: a plot shows no more. */
const maxPoints = 500;

/** Points at equal distances, as many as a plot can show at most. */
export function thinned<T>(points: readonly T[]): readonly T[] {
  const step = Math.ceil(points.length / maxPoints);
  return step <= 1 ? points : points.filter((_, i) => i % step === 0);
}
