/** Books every delivery: what came, what a newer status came instead of, what came late, twice or in the wrong order, and what never came. */
import { build, encodeIntoCompressedBase64 } from "hdr-histogram-js";
import type { Histogram } from "hdr-histogram-js";
import { dueAt } from "./plan.ts";
import type { Plan } from "./plan.ts";
import { secondOf, secondsOf, Standstills } from "./standstills.ts";

/** Longest delay that is told apart, microseconds: five minutes. */
const longest = 300_000_000;

/** A histogram of delays in microseconds, to three digits. */
export function delayHistogram(): Histogram {
  return build({ highestTrackableValue: longest, numberOfSignificantValueDigits: 3 });
}

/** Records a delay given in milliseconds. */
export function recordDelay(histogram: Histogram, ms: number): void {
  histogram.recordValue(Math.min(longest, Math.max(1, Math.round(ms * 1000))));
}

/** A ledger's sums. */
export interface Balance {
  /** Statuses that carried a newer change than the one before. */
  readonly delivered: number;
  /** Changes that a newer one of the same workspace came instead of. */
  readonly coalesced: number;
  /** The same change again. */
  readonly repeated: number;
  /** An older change than one that had come already, or a version that is not newer. */
  readonly reordered: number;
  /** Pairs of subscriber and change that was written, but has not come, nor a newer one. */
  readonly lost: number;
}

/** What is kept beside the sums: for each single change, too, or nothing that grows with their number. */
export type Detail = "each" | "sums";

/** The ledger of one process' subscribers for one plan. */
export class Ledger {
  readonly #plan: Plan;
  readonly #subscribers: number;
  /** Per subscriber and workspace: the newest change, as its number; a workspace without any stands one round before its first. */
  readonly #seen: Float64Array;
  readonly #versions: Float64Array;
  /** Per change, if that is kept: when the last subscriber got it, or a newer one; and how many have it. Empty otherwise. */
  readonly lastAt: Float64Array;
  readonly reached: Uint32Array;
  readonly delays = delayHistogram();
  /** Per second since the plan's begin: statuses that came, and the longest delay among them (ms). */
  readonly deliveredPerSecond: Float64Array;
  readonly longestPerSecond: Float64Array;
  readonly standstills: Standstills;
  #delivered = 0;
  #coalesced = 0;
  #repeated = 0;
  #reordered = 0;

  constructor(plan: Plan, subscribers: number, detail: Detail = "each") {
    this.#plan = plan;
    this.#subscribers = subscribers;
    this.#seen = Float64Array.from({ length: subscribers * plan.workspaces }, (_, i) => (i % plan.workspaces) - plan.workspaces);
    this.#versions = new Float64Array(subscribers * plan.workspaces).fill(-1);
    const kept = detail === "each" ? plan.total : 0;
    this.lastAt = new Float64Array(kept);
    this.reached = new Uint32Array(kept);
    this.deliveredPerSecond = new Float64Array(secondsOf(plan));
    this.longestPerSecond = new Float64Array(secondsOf(plan));
    this.standstills = new Standstills(plan, subscribers);
  }

  /** A status came that carries a stamp. Those of other plans are not counted. */
  deliver(subscriber: number, stamp: number, version: number, now: number): void {
    const { base, total, workspaces } = this.#plan;
    const n = stamp - base;
    if (n < 0 || n >= total) return;
    const place = subscriber * workspaces + (n % workspaces);
    const before = this.#seen[place] ?? 0;
    if (n === before) this.#repeated++;
    else if (n < before || version <= (this.#versions[place] ?? -1)) this.#reordered++;
    if (n <= before) return;
    this.#delivered++;
    this.#coalesced += (n - before) / workspaces - 1;
    this.#seen[place] = n;
    this.#versions[place] = version;
    this.#note(now, now - dueAt(this.#plan, before + workspaces));
    this.standstills.heard(subscriber, now);
    for (let k = before + workspaces; k <= n; k += workspaces) this.#arrived(k, now);
  }

  /** @param delay of the oldest change that this one brings or replaces. */
  #note(now: number, delay: number): void {
    const second = secondOf(this.#plan, now);
    this.deliveredPerSecond[second] = (this.deliveredPerSecond[second] ?? 0) + 1;
    this.longestPerSecond[second] = Math.max(delay, this.longestPerSecond[second] ?? 0);
  }

  /** A change, or a newer one: then the subscriber's view was stale for as long, and the delay counts. */
  #arrived(n: number, now: number): void {
    if (n < this.lastAt.length) {
      this.lastAt[n] = now;
      this.reached[n] = (this.reached[n] ?? 0) + 1;
    }
    if (n >= this.#plan.measuredFrom) recordDelay(this.delays, now - dueAt(this.#plan, n));
  }

  /**
   * The sums. @param written per workspace, the newest change that the API server took; -1 for none. Changes after it are owed by no one.
   */
  balance(written: Float64Array): Balance {
    const { workspaces } = this.#plan;
    let lost = 0;
    for (let i = 0; i < this.#subscribers * workspaces; i++) {
      const missing = ((written[i % workspaces] ?? -1) - (this.#seen[i] ?? 0)) / workspaces;
      if (missing > 0) lost += Math.floor(missing);
    }
    return { delivered: this.#delivered, coalesced: this.#coalesced, repeated: this.#repeated, reordered: this.#reordered, lost };
  }

  /** The delays, packed for another process. */
  packedDelays(): string {
    return encodeIntoCompressedBase64(this.delays);
  }
}
