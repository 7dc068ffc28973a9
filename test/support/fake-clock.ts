/** A clock that tests set: timers fire when time is advanced past them. */
import type { Clock } from "../../src/domain/clock.ts";

/** Wall clock and monotonic clock move together; `setWall` moves the wall clock alone. */
export class FakeClock implements Clock {
  #wall: number;
  #mono = 0;
  #timers: { at: number; callback: () => void }[] = [];

  constructor(startMs = 1_700_000_000_000) {
    this.#wall = startMs;
  }

  now(): number {
    return this.#wall;
  }

  monotonic(): number {
    return this.#mono;
  }

  timer(ms: number, callback: () => void): () => void {
    const timer = { at: this.#mono + ms, callback };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  setWall(ms: number): void {
    this.#wall = ms;
  }

  /** The thread gets no turn for so long: timers that came due meanwhile fire after it, those that they set come later. */
  stall(ms: number): void {
    this.#wall += ms;
    this.#mono += ms;
    for (const timer of this.#timers.filter(({ at }) => at <= this.#mono).toSorted((a, b) => a.at - b.at)) {
      if (!this.#timers.includes(timer)) continue;
      this.#timers = this.#timers.filter((other) => other !== timer);
      timer.callback();
    }
  }

  /** Lets time pass; timers fire in order, each at its own time. */
  advance(ms: number): void {
    const until = this.#mono + ms;
    for (;;) {
      const [next] = this.#timers.filter((timer) => timer.at <= until).toSorted((a, b) => a.at - b.at);
      if (!next) break;
      this.#timers = this.#timers.filter((other) => other !== next);
      this.#wall += next.at - this.#mono;
      this.#mono = next.at;
      next.callback();
    }
    this.#wall += until - this.#mono;
    this.#mono = until;
  }
}

/** Lets time pass, a second at a time, until the work is done. */
export async function passing<T>(clock: FakeClock, work: Promise<T>): Promise<T> {
  const ended = { yet: false };
  const end = (): void => void (ended.yet = true);
  void work.then(end, end);
  for (let i = 0; i < 5000 && !ended.yet; i++) {
    await new Promise(setImmediate);
    clock.advance(1000);
  }
  return work;
}
