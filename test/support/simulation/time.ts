/**
 * How a simulation goes on: one timer after the other, and after each whatever can be done without time.
 * A turn of the machine's event loop takes ten microseconds, and a simulated day has hundreds of thousands of steps. So immediates are kept here, and promises and ticks are
 * worked off by what Node itself calls for that after each callback (`process._tickCallback`), from within one turn of the event loop.
 */
import type { VirtualClock } from "../virtual-clock.ts";

/** Rounds of immediates without time in between; what needs more spins. */
const maxRounds = 10_000;
/** Timers that fire at the same moment; more of them spin. */
const maxAtOnce = 1_000_000;
/** Steps in one turn of the machine's event loop: between them what was collected is finalized. */
const stepsPerTurn = 20_000;

type Immediate = () => void;

/** The thread in which a simulation runs. One at a time. */
export class Thread {
  #immediates: Immediate[] = [];
  /** When the last timer fired, and how many had by then without time passing. */
  #at = -1;
  #atOnce = 0;
  readonly #before = { setImmediate: globalThis.setImmediate, clearImmediate: globalThis.clearImmediate };
  readonly #tick = ticker();

  /** From now on immediates of this thread wait for the simulation. To be ended by `close`. */
  open(): void {
    const setOwn = (callback: (...given: unknown[]) => void, ...given: unknown[]): Immediate => {
      const immediate = (): void => callback(...given);
      this.#immediates.push(immediate);
      return immediate;
    };
    const clearOwn = (immediate: unknown): void => {
      this.#immediates = this.#immediates.filter((each) => each !== immediate);
    };
    Object.assign(globalThis, { setImmediate: setOwn, clearImmediate: clearOwn });
  }

  close(): void {
    Object.assign(globalThis, this.#before);
    this.#immediates = [];
  }

  /** Lets time go on, timer by timer, until `isOver` after one of them, or none is left before `until` (elapsed milliseconds). @returns how many fired. @throws what a timer throws, and Error if something spins. */
  async play(clock: VirtualClock, until: number, isOver: () => boolean): Promise<number> {
    let fired = 0;
    for (let goesOn = true; goesOn; ) {
      goesOn = await this.#turn(() => {
        for (let steps = 0; steps < stepsPerTurn; steps++) {
          this.#settle();
          if (isOver() || !clock.fireNext(until)) return false;
          fired++;
          this.#checkProgress(clock.monotonic());
        }
        return true;
      });
    }
    return fired;
  }

  #checkProgress(now: number): void {
    if (now !== this.#at) this.#atOnce = 0;
    this.#at = now;
    if (++this.#atOnce > maxAtOnce) throw new Error(`more than ${maxAtOnce} timers fired without time passing`);
  }

  #turn<T>(work: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#before.setImmediate(() => {
        try {
          resolve(work());
        } catch (error) {
          reject(error);
        }
      });
    });
  }

  /** Nothing can go on any more before time passes. */
  #settle(): void {
    this.#tick();
    for (let rounds = 0; this.#immediates.length > 0; rounds++) {
      if (rounds === maxRounds) throw new Error(`something goes on without time for more than ${maxRounds} turns`);
      const round = this.#immediates;
      this.#immediates = [];
      for (const immediate of round) {
        immediate();
        this.#tick();
      }
    }
  }
}

/** What works off ticks and promises, all of them. */
function ticker(): () => void {
  const own: unknown = Reflect.get(process, "_tickCallback");
  if (typeof own !== "function") throw new Error("this version of Node has no process._tickCallback: simulations need it");
  return () => void Reflect.apply(own, process, []);
}
