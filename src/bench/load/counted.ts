/** Throughput over time: a count that is kept anyway is looked at now and then, so that what is measured does nothing more for it. */
import { z } from "zod";
import { Series } from "../report/series.ts";
import { machineNow } from "./clock.ts";
import type { Points } from "./timeline.ts";

const everyMs = 250;
/** Most looks that are kept: the first eight minutes go in as they are. */
const maxLooks = 2000;
/** Most points of a curve: a plot shows no more. */
const maxPoints = 500;
/** Width of an edge, as a share of the distance of points. */
const edgeShare = 0.001;

export const countedSchema = z.array(z.object({ at: z.number(), count: z.number() }));

/** A count at several times of the machine's clock, in their order. */
export type Counted = readonly Readonly<z.infer<typeof countedSchema>[number]>[];

/** Looks at a count, from now on until it is stopped. */
export class Counter {
  readonly #read: () => number;
  readonly #now: () => number;
  readonly #looks = new Series<Counted[number]>(maxLooks, (_older, newer) => newer);
  readonly #timer: NodeJS.Timeout;

  /** @param read gives the count, which only grows. */
  constructor(read: () => number, now: () => number = machineNow) {
    this.#read = read;
    this.#now = now;
    this.look();
    this.#timer = setInterval(() => this.look(), everyMs).unref();
  }

  /** Looks now. */
  look(): void {
    this.#looks.add({ at: this.#now(), count: this.#read() });
  }

  /** Looks for the last time, and gives what was seen. */
  stop(): z.infer<typeof countedSchema> {
    clearInterval(this.#timer);
    this.look();
    return [...this.#looks.samples];
  }
}

/** A time in which something was counted, by one process or several at once. */
export type Stretch = readonly Counted[];

/**
 * What was counted per second, as seconds since `from`: over each stretch evenly spaced means of all its processes together, up from 0 at its begin and down to it at its end, and nothing between two of them.
 * @returns about 500 points at most, and a few for each stretch.
 */
export function ratePoints(stretches: readonly Stretch[], from: number): Points {
  const timed = stretches.map((parts) => ({ parts, ...boundsOf(parts) })).filter(({ begin, end }) => end > begin).toSorted((a, b) => a.begin - b.begin);
  const step = Math.max(everyMs, timed.reduce((sum, { begin, end }) => sum + end - begin, 0) / maxPoints);
  const second = (at: number): number => (at - from) / 1000;
  return timed.flatMap(({ parts, begin, end }) => {
    const count = Math.max(1, Math.round((end - begin) / step));
    const width = (end - begin) / count;
    const sums = Array.from({ length: count + 1 }, (_, i) => parts.reduce((sum, part) => sum + countAt(part, begin + i * width), 0));
    const rates = sums.slice(1).map((sum, i) => [second(begin + (i + 0.5) * width), ((sum - (sums[i] ?? 0)) * 1000) / width] as const);
    // Nearly upright edges: a short stretch is a block, and no spike.
    const edge = (at: number, rate: number | undefined): readonly [number, number] => [second(at), rate ?? 0];
    return [edge(begin, 0), edge(begin + width * edgeShare, rates[0]?.[1]), ...rates, edge(end - width * edgeShare, rates.at(-1)?.[1]), edge(end, 0)];
  });
}

function boundsOf(parts: Stretch): { readonly begin: number; readonly end: number } {
  return { begin: Math.min(...parts.flatMap((part) => part[0]?.at ?? [])), end: Math.max(...parts.flatMap((part) => part.at(-1)?.at ?? [])) };
}

/** The count at a time, evenly between two looks. */
function countAt(counted: Counted, at: number): number {
  const after = counted.findIndex((look) => look.at >= at);
  const [older, newer] = after < 0 ? [counted.at(-1), undefined] : [counted[after - 1], counted[after]];
  if (!older || !newer) return (older ?? newer)?.count ?? 0;
  return older.count + ((newer.count - older.count) * (at - older.at)) / (newer.at - older.at);
}
