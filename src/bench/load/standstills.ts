/** How long streams stood still while a load ran: the longest time between two arrivals, by second. */
import type { Plan } from "./plan.ts";

/** Seconds after a plan's end that are told apart; what comes later counts in the last one. */
const graceSeconds = 60;

/** Index of the second since the plan's begin in which something happened, for arrays of {@link secondsOf} entries. */
export function secondOf(plan: Plan, now: number): number {
  return Math.min(secondsOf(plan) - 1, Math.max(0, Math.floor((now - plan.startAt) / 1000)));
}

/** Seconds of a plan that are told apart. */
export function secondsOf(plan: Plan): number {
  return Math.ceil((plan.total * plan.interval) / 1000) + graceSeconds;
}

/** Streams that bring the changes of one plan, each of which is heard of with every change. */
export class Standstills {
  /** The longest time (ms) in which one of the streams brought nothing; it counts in the second in which it ended. */
  readonly perSecond: Float64Array;
  readonly #plan: Plan;
  /** Per stream, when it brought something last. */
  readonly #heardAt: Float64Array;

  constructor(plan: Plan, streams: number) {
    this.#plan = plan;
    this.perSecond = new Float64Array(secondsOf(plan));
    this.#heardAt = new Float64Array(streams).fill(plan.startAt);
  }

  /** A stream brought a change. */
  heard(stream: number, now: number): void {
    const second = secondOf(this.#plan, now);
    this.perSecond[second] = Math.max(now - (this.#heardAt[stream] ?? now), this.perSecond[second] ?? 0);
    this.#heardAt[stream] = now;
  }
}
