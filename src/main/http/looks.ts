/** How busy the process was lately, for people who look: nothing is measured while nobody does, but for what the system keeps account of anyway. */
import { monitorEventLoopDelay, performance, type ELDHistogram, type EventLoopUtilization } from "node:perf_hooks";
import type { Clock } from "../../domain/clock.ts";

/** Shares of one core, but for `workers`: of all of them. Since so many seconds. */
export interface Busy {
  readonly seconds: number;
  /** Of the main thread's time its event loop was at work, 0 to 1. */
  readonly eventLoop: number;
  /** Processor time of the whole process; above 1 where several threads work. */
  readonly cpu: number;
  /** Of the workers' time they were at work, 0 to 1; undefined if there are none. */
  readonly workers: number | undefined;
}

interface Account {
  readonly at: number;
  readonly loop: EventLoopUtilization;
  readonly cpuMicros: number;
  readonly workerMicros: number;
}

/** Shortest time that shares are told of, but for the first look, milliseconds. */
const leastMs = 4000;

/** Shares since a look that was some seconds ago at least, or since the start. */
export class BusyLately {
  readonly #clock: Pick<Clock, "monotonic">;
  readonly #workers: { readonly count: number; busyMicros(): number };
  #before: Account;
  #last: Account;

  constructor(clock: Pick<Clock, "monotonic">, workers: { readonly count: number; busyMicros(): number }) {
    this.#clock = clock;
    this.#workers = workers;
    this.#before = this.#last = this.#account();
  }

  /** Looks. */
  look(): Busy {
    const now = this.#account();
    const settled = now.at - this.#last.at >= leastMs;
    const since = settled ? this.#last : this.#before;
    if (settled) [this.#before, this.#last] = [this.#last, now];
    const ms = Math.max(1, now.at - since.at);
    const { count } = this.#workers;
    return {
      seconds: ms / 1000,
      eventLoop: performance.eventLoopUtilization(now.loop, since.loop).utilization,
      cpu: (now.cpuMicros - since.cpuMicros) / 1000 / ms,
      workers: count === 0 ? undefined : (now.workerMicros - since.workerMicros) / 1000 / ms / count,
    };
  }

  #account(): Account {
    const { user, system } = process.cpuUsage();
    return { at: this.#clock.monotonic(), loop: performance.eventLoopUtilization(), cpuMicros: user + system, workerMicros: this.#workers.busyMicros() };
  }
}

/** How late the event loop was, since so many seconds. Milliseconds. */
export interface LoopDelay {
  readonly seconds: number;
  readonly median: number;
  readonly p99: number;
  readonly max: number;
}

/** The timer that is watched, milliseconds: what is beyond it is delay. */
const resolutionMs = 10;
/** Measuring goes on for so long after a look, milliseconds. */
const attentionMs = 60_000;

/** Measures how late timers are while somebody looks. Has figures of its own: those of /metrics begin anew with every scrape. */
export class DelayWhileLooking {
  readonly #clock: Clock;
  #measuring: { readonly histogram: ELDHistogram; readonly since: number } | undefined;
  #cancel = (): void => {};

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Looks: what was measured since the first look, or for a minute, whichever is less. Undefined: it begins now. */
  look(): LoopDelay | undefined {
    const now = this.#clock.monotonic();
    this.#cancel();
    this.#cancel = this.#clock.timer(attentionMs, () => this.close());
    const measuring = (this.#measuring ??= this.#begin(now));
    const { histogram, since } = measuring;
    if (histogram.count === 0) return undefined;
    const beyond = (nanoseconds: number): number => Math.max(0, nanoseconds / 1e6 - resolutionMs);
    const delay = { seconds: (now - since) / 1000, median: beyond(histogram.percentile(50)), p99: beyond(histogram.percentile(99)), max: beyond(histogram.max) };
    if (now - since >= attentionMs) {
      histogram.reset();
      this.#measuring = { histogram, since: now };
    }
    return delay;
  }

  /** Measures no more, until the next look. */
  close(): void {
    this.#cancel();
    this.#measuring?.histogram.disable();
    this.#measuring = undefined;
  }

  #begin(now: number): { readonly histogram: ELDHistogram; readonly since: number } {
    const histogram = monitorEventLoopDelay({ resolution: resolutionMs });
    histogram.enable();
    return { histogram, since: now };
  }
}
