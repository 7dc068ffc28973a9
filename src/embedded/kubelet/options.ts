/** What can be set about the built-in scheduler and kubelet, and what holds otherwise. */
import { systemClock } from "../../domain/clock.ts";
import type { Clock } from "../../domain/clock.ts";
import type { NodeSpec } from "./nodes.ts";
import { seededRandom } from "./random.ts";
import type { Random, Range } from "./random.ts";

/** How long things take: milliseconds, from and to; the actual value is drawn at random. */
export interface Timings {
  /** From binding to the first status of the kubelet. */
  readonly admit: Range;
  /** Pulling the image. */
  readonly pull: Range;
  /** From the pulled image to the running container. */
  readonly start: Range;
  /** From the first probe to ready. */
  readonly ready: Range;
  /** From SIGTERM to the container's end. */
  readonly stop: Range;
  /** From an interruption to the next start. */
  readonly recover: Range;
  /** From the container's start until a fault without a delay of its own strikes. */
  readonly strike: Range;
  /** First wait after a failed pull, mount or start; it doubles each time, up to `backoffLimit`. */
  readonly backoff: number;
  readonly backoffLimit: number;
}

/** Timings of a cluster that is not in a hurry. */
export const defaultTimings: Timings = {
  admit: [50, 300], pull: [1500, 6000], start: [200, 600], ready: [500, 2000], stop: [500, 2500], recover: [4000, 8000], strike: [3000, 8000], backoff: 10_000, backoffLimit: 300_000,
};

/** Options of the built-in scheduler and kubelet. */
export interface KubeletOptions {
  /** Namespace whose workspaces the nodes are labelled for. */
  readonly namespace: string;
  /** Time; default the machine's. */
  readonly clock?: Clock;
  /** Divides all delays: 10 means ten times as fast. Timestamps stay those of the clock. Default 1. */
  readonly speed?: number;
  /** Default: seeded with 1. */
  readonly random?: Random;
  /** The nodes, or how many of the default size. Default 2. */
  readonly nodes?: number | readonly NodeSpec[];
  readonly timings?: Partial<Timings>;
  /** Names of the scheduler: pods that ask for another one are left alone. Default `default-scheduler`. */
  readonly schedulerNames?: readonly string[];
  /** Most pods that wait for a node and are remembered. Default 20,000. */
  readonly maxWaiting?: number;
  /** Most Events kept in the store. Default 5,000. */
  readonly maxEvents?: number;
  /** How long an Event is kept, milliseconds. Default one hour. */
  readonly eventTtlMs?: number;
  /** Hears of failures, which never stop the rest. Default: nothing is done. */
  readonly onError?: (error: unknown) => void;
}

/** The options with all defaults filled in. */
export type ResolvedOptions = Readonly<Required<Omit<KubeletOptions, "nodes" | "timings" | "speed">>> & { readonly nodes: readonly NodeSpec[]; readonly timings: Timings; readonly wallClock: Clock };

/** Fills in the defaults. Throws RangeError for a speed that is not a positive number. */
export function resolveOptions(options: KubeletOptions): ResolvedOptions {
  const { speed = 1, nodes = 2, timings, ...given } = options;
  const defaults = { clock: systemClock, random: seededRandom(1), schedulerNames: ["default-scheduler"], maxWaiting: 20_000, maxEvents: 5_000, eventTtlMs: 3_600_000, onError: () => {} };
  const all = { ...defaults, ...given };
  return {
    ...all,
    clock: speedUp(all.clock, speed),
    wallClock: all.clock,
    nodes: typeof nodes === "number" ? Array.from({ length: nodes }, (_, i) => ({ name: `node-${i + 1}` })) : nodes,
    timings: { ...defaultTimings, ...timings },
  };
}

/** The clock with its delays divided by the speed. */
export function speedUp(clock: Clock, speed: number): Clock {
  if (!(speed > 0 && Number.isFinite(speed))) throw new RangeError(`speed must be a positive number, not ${speed}`);
  if (speed === 1) return clock;
  return { now: () => clock.now(), monotonic: () => clock.monotonic() * speed, timer: (ms, callback) => clock.timer(ms / speed, callback) };
}
