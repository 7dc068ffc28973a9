/** A clock that stands still until it is told to go on: timers fire in order of their time, then of their making. */
import type { Clock } from "../../src/domain/clock.ts";

interface Timer {
  readonly at: number;
  readonly order: number;
  readonly callback: () => void;
}

/** Time passes before any timer that is not due at once, milliseconds: of what is less the clock, hours later, would add nothing. */
const leastMs = 0.001;

/** Time that a test moves. */
export class VirtualClock implements Clock {
  readonly #start: number;
  #elapsed = 0;
  #order = 0;
  /** A binary heap, earliest first. */
  readonly #heap: Timer[] = [];
  readonly #cancelled = new Set<Timer>();

  constructor(start = Date.UTC(2024, 0, 1)) {
    this.#start = start;
  }

  now(): number {
    return Math.floor(this.#start + this.#elapsed);
  }

  monotonic(): number {
    return this.#elapsed;
  }

  timer(ms: number, callback: () => void): () => void {
    let done = false;
    const fire = (): void => {
      done = true;
      callback();
    };
    const timer: Timer = { at: this.#elapsed + (ms > 0 ? Math.max(leastMs, ms) : 0), order: this.#order++, callback: fire };
    this.#push(timer);
    return () => {
      if (!done) this.#cancelled.add(timer);
      done = true;
    };
  }

  /** How many timers are set. */
  get pending(): number {
    return this.#heap.length - this.#cancelled.size;
  }

  /** Moves time on, firing what comes due (also what is set meanwhile). Throws after `limit` timers: something spins. */
  advance(ms: number, limit = 5_000_000): void {
    const end = this.#elapsed + ms;
    let fired = 0;
    for (let next = this.#heap[0]; next && next.at <= end; next = this.#heap[0]) {
      this.#pop();
      if (this.#cancelled.delete(next)) continue;
      if (fired++ >= limit) throw new Error(`more than ${limit} timers within ${ms} ms`);
      this.#elapsed = Math.max(this.#elapsed, next.at);
      next.callback();
    }
    this.#elapsed = end;
  }

  /** Moves time on to the next timer and fires it alone, at most `until` (elapsed milliseconds). False: none is due by then. */
  fireNext(until = Number.POSITIVE_INFINITY): boolean {
    for (let next = this.#heap[0]; next && next.at <= until; next = this.#heap[0]) {
      this.#pop();
      if (this.#cancelled.delete(next)) continue;
      this.#elapsed = Math.max(this.#elapsed, next.at);
      next.callback();
      return true;
    }
    return false;
  }

  /** Moves time on in steps until the condition holds; throws if it does not within `ms`. */
  advanceUntil(condition: () => boolean, ms = 600_000, step = 10): void {
    for (let passed = 0; !condition(); passed += step) {
      if (passed > ms) throw new Error(`condition not met within ${ms} virtual ms`);
      this.advance(step);
    }
  }

  #push(timer: Timer): void {
    const heap = this.#heap;
    let i = heap.push(timer) - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!this.#swapIfEarlier(i, parent)) break;
      i = parent;
    }
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (!last || heap.length === 0) return;
    heap[0] = last;
    for (let i = 0; ;) {
      const [left, right] = [2 * i + 1, 2 * i + 2];
      const child = right < heap.length && this.#earlier(right, left) ? right : left;
      if (child >= heap.length || !this.#swapIfEarlier(child, i)) break;
      i = child;
    }
  }

  #earlier(a: number, b: number): boolean {
    const [x, y] = [this.#heap[a], this.#heap[b]];
    return x !== undefined && y !== undefined && (x.at < y.at || (x.at === y.at && x.order < y.order));
  }

  #swapIfEarlier(a: number, b: number): boolean {
    const [x, y] = [this.#heap[a], this.#heap[b]];
    if (!x || !y || !this.#earlier(a, b)) return false;
    this.#heap[a] = y;
    this.#heap[b] = x;
    return true;
  }
}
