/** What a plan has at which time, and the time of the plan: hours in which nothing is, and nobody waits, are left out. */
import type { VirtualClock } from "../virtual-clock.ts";

interface Item {
  readonly at: number;
  readonly work: () => void;
}

/** Items in the order of their time, then of their making. Times of the plan are virtual milliseconds since the beginning, and run ahead of the clock by what was left out. */
export class Agenda {
  readonly #clock: VirtualClock;
  readonly #items: Item[] = [];
  #leftOut = 0;
  #cancel: () => void = () => {};

  constructor(clock: VirtualClock) {
    this.#clock = clock;
  }

  get now(): number {
    return this.#clock.monotonic() + this.#leftOut;
  }

  /** When the next item is due; undefined if there is none. */
  get next(): number | undefined {
    return this.#items[0]?.at;
  }

  add(at: number, work: () => void): void {
    const behind = this.#items.findIndex((item) => item.at > at);
    this.#items.splice(behind === -1 ? this.#items.length : behind, 0, { at, work });
    this.#arm();
  }

  /** Leaves out all time until `at`, if that is later than now and nothing is due before. No clock moves. */
  leaveOutUntil(at: number): void {
    if (at <= this.now || at > (this.next ?? at)) return;
    this.#leftOut += at - this.now;
    this.#arm();
  }

  #arm(): void {
    this.#cancel();
    const { next } = this;
    if (next === undefined) return;
    this.#cancel = this.#clock.timer(next - this.now, () => {
      const item = this.#items.shift();
      this.#arm();
      item?.work();
    });
  }
}
