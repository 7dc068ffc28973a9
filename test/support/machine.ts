/** A machine with clocks of its own and a process on it, on virtual time: the process can be stopped, or killed, and the machine can sleep, or have its clock set. */
import type { Clock } from "../../src/domain/clock.ts";
import type { VirtualClock } from "./virtual-clock.ts";

/** A machine: its process can be stopped (both clocks go on), and it can sleep as a whole (its monotonic clock stands still). */
export class Machine implements Clock {
  readonly #time: VirtualClock;
  #offset: number;
  #slept = 0;
  #stopped: { readonly asleepSince: number | undefined } | undefined;
  #killed = false;
  #waiting: (() => void)[] = [];

  constructor(time: VirtualClock, offsetMs: number) {
    this.#time = time;
    this.#offset = offsetMs;
  }

  now(): number {
    return this.#time.now() + this.#offset;
  }

  monotonic(): number {
    const asleep = this.#stopped?.asleepSince === undefined ? 0 : this.#time.monotonic() - this.#stopped.asleepSince;
    return this.#time.monotonic() - this.#slept - asleep;
  }

  timer(ms: number, callback: () => void): () => void {
    if (this.#killed) return () => {};
    const at = this.monotonic() + Math.max(0, ms);
    let cancelled = false;
    const fire = (): void => {
      if (cancelled) return;
      const left = at - this.monotonic();
      // What is less is but rounding.
      if (left > 0.001) cancel = this.#time.timer(left, () => this.run(fire));
      else callback();
    };
    let cancel = this.#time.timer(ms, () => this.run(fire));
    return () => {
      cancelled = true;
      cancel();
    };
  }

  get runs(): boolean {
    return this.#stopped === undefined && !this.#killed;
  }

  get killed(): boolean {
    return this.#killed;
  }

  /** Does it now; once the process goes on, if it does not run; never, if it was killed. */
  run(work: () => void): void {
    if (this.#killed) return;
    if (this.#stopped) this.#waiting.push(work);
    else work();
  }

  /** SIGKILL: nothing happens there any more. */
  kill(): void {
    this.#killed = true;
    this.#waiting = [];
  }

  /** SIGSTOP, or, with the machine asleep, its monotonic clock with it. */
  stop(asleep = false): void {
    this.#stopped ??= { asleepSince: asleep ? this.#time.monotonic() : undefined };
  }

  /** It goes on: what has come due meanwhile happens in the order in which it came, at once, or, `apart`, one by one as in an event loop. */
  goOn(first: () => void = () => {}, apart = false): void {
    if (!this.#stopped) return;
    const { asleepSince } = this.#stopped;
    if (asleepSince !== undefined) this.#slept += this.#time.monotonic() - asleepSince;
    this.#stopped = undefined;
    first();
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const work of waiting) {
      if (apart) this.#time.timer(0, () => this.run(work));
      else this.run(work);
    }
  }

  /** Sets its wall clock. */
  shift(ms: number): void {
    this.#offset += ms;
  }
}
