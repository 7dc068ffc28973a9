/** How fast something grows, and how far that can be told from its noise. */
import { median } from "./figures.ts";
import type { Points } from "../load/timeline.ts";

/** A straight line through values over time. */
export interface Trend {
  /** Growth per unit of x. */
  readonly slope: number;
  /** How far the slope may be off by chance alone, in 95 of 100 cases. */
  readonly noise: number;
}

/** Neighbouring values that depend on each other count as fewer; more than this dependence is not assumed. */
const maxDependence = 0.95;
/** Standard deviations that hold 95 %. */
const deviations = 1.96;

/**
 * The trend of values over time: Theil and Sen's slope (the median of the slopes between all pairs) through the medians of equal windows, which neither peaks, gaps nor a single step move.
 * The noise is the interval that goes with it (Kendall's), by ranks alike; it is widened where neighbouring windows err to the same side.
 * @param points in the order of x.
 * @param windows how many; those without points are left out. @returns undefined with fewer than six of them.
 */
export function trendOf(points: Points, windows: number): Trend | undefined {
  const middles = windowMedians(points, windows);
  const count = middles.length;
  if (count < 6) return undefined;
  const slopes = pairSlopes(middles).toSorted((a, b) => a - b);
  const slope = median(slopes);
  const offset = median(middles.map(([x, y]) => y - slope * x));
  const dependence = Math.min(maxDependence, Math.max(0, signCorrelation(middles.map(([x, y]) => y - slope * x - offset))));
  const ranks = deviations * Math.sqrt(((count * (count - 1) * (2 * count + 5)) / 18) * ((1 + dependence) / (1 - dependence)));
  const low = slopes[Math.max(0, Math.floor((slopes.length - ranks) / 2))] ?? slope;
  const high = slopes[Math.min(slopes.length - 1, Math.ceil((slopes.length + ranks) / 2))] ?? slope;
  return { slope, noise: Math.max(high - slope, slope - low) };
}

/** The medians of each window that has points. */
function windowMedians(points: Points, windows: number): Points {
  const from = points[0]?.[0] ?? 0;
  const width = ((points.at(-1)?.[0] ?? 0) - from) / windows;
  if (width <= 0) return [];
  const inside: (readonly [number, number])[][] = Array.from({ length: windows }, () => []);
  for (const point of points) inside[Math.min(windows - 1, Math.floor((point[0] - from) / width))]?.push(point);
  return inside.filter(({ length }) => length > 0).map((some) => [median(some.map(([x]) => x)), median(some.map(([, y]) => y))] as const);
}

function pairSlopes(points: Points): readonly number[] {
  return points.flatMap(([x, y], i) => points.slice(i + 1).map(([later, value]) => (value - y) / (later - x)));
}

/** How far each value goes with the next one, -1 to 1: from their signs alone, so that a few large ones do not decide; as for normally distributed ones. */
function signCorrelation(values: readonly number[]): number {
  const products = values.slice(1).map((value, i) => Math.sign(value) * Math.sign(values[i] ?? 0));
  return Math.sin((Math.PI / 2) * (products.reduce((total, product) => total + product, 0) / products.length));
}
