/** Values over time, in a bounded number of steps: the longer it lasts, the longer the steps. */
import { z } from "zod";

/** Most steps; when they are used up, each two become one. */
const maxSteps = 1024;

/** How values of one step become one: those of a sum are told per second. */
export type Join = "sum" | "max";

export const timelineSchema = z.object({
  join: z.enum(["sum", "max"]),
  /** Length of a step, seconds. */
  step: z.number(),
  values: z.array(z.number()),
});

/** A timeline for another process. */
export type PackedTimeline = Readonly<z.infer<typeof timelineSchema>>;

/** Seconds (the middle of a step) and a value. */
export type Points = readonly (readonly [number, number])[];

/** A timeline; steps are of one second at first, and of a power of two in any case. */
export class Timeline {
  readonly #join: Join;
  #step = 1;
  #values: number[] = [];

  constructor(join: Join) {
    this.#join = join;
  }

  /** Takes a value, not negative. @param seconds since the begin; what comes from before counts in the first step. */
  add(seconds: number, value: number): void {
    while (Math.floor(seconds / this.#step) >= maxSteps) {
      this.#values = coarser(this.#values, this.#join);
      this.#step *= 2;
    }
    const at = Math.max(0, Math.floor(seconds / this.#step));
    while (this.#values.length <= at) this.#values.push(0);
    this.#values[at] = joined(this.#join, this.#values[at] ?? 0, value);
  }

  packed(): PackedTimeline {
    return { join: this.#join, step: this.#step, values: this.#values };
  }
}

/**
 * Points of several timelines of one kind together, until a time (seconds): for sums the values per second, else the largest.
 * Of sums a last step that is not over by then is left out: what came in a part of it would look like a fall. If there is no other, what came is told over that part.
 */
export function mergedPoints(parts: readonly PackedTimeline[], until: number): Points {
  const first = parts[0];
  if (!first) return [];
  const step = parts.reduce((widest, part) => Math.max(widest, part.step), 1);
  const even = parts.map((part) => widened(part, step));
  const whole = Math.max(1, first.join === "sum" ? Math.floor(until / step) : Math.ceil(until / step));
  const steps = Math.min(Math.max(0, ...even.map(({ length }) => length)), whole);
  const width = first.join === "sum" && until > 0 ? Math.min(step, until) : step;
  return Array.from({ length: steps }, (_, i) => {
    const value = even.reduce((sum, values) => joined(first.join, sum, values[i] ?? 0), 0);
    return [i * step + width / 2, first.join === "sum" ? value / width : value] as const;
  });
}

/** Values of single seconds as a bounded number of points. @param until seconds, where the last second was not over: see {@link mergedPoints}. */
export function pointsOf(perSecond: readonly number[], join: Join, until = perSecond.length): Points {
  const timeline = new Timeline(join);
  for (const [second, value] of perSecond.entries()) timeline.add(second + 0.5, value);
  return mergedPoints([timeline.packed()], until);
}

function widened({ join, step, values }: PackedTimeline, wanted: number): readonly number[] {
  let current = values;
  for (let width = step; width < wanted; width *= 2) current = coarser(current, join);
  return current;
}

function coarser(values: readonly number[], join: Join): number[] {
  return Array.from({ length: Math.ceil(values.length / 2) }, (_, i) => joined(join, values[2 * i] ?? 0, values[2 * i + 1] ?? 0));
}

function joined(join: Join, a: number, b: number): number {
  return join === "sum" ? a + b : Math.max(a, b);
}
