/** A time in which this replica leads: it is over when the clocks say so, whether or not anything has fired (spec: lifecycle, High availability). */
import type { Clock } from "../../domain/clock.ts";

/** A point in time by both clocks of this machine: the monotonic one may stand still while the machine sleeps, the other one may be set. */
export interface Moment {
  readonly monotonic: number;
  readonly wall: number;
}

/** Now. */
export function momentOf(clock: Clock): Moment {
  return { monotonic: clock.monotonic(), wall: clock.now() };
}

/** A wall clock that was set back by more than this tells nothing any more, milliseconds. */
const maxSetBackMs = 1_000;

/** Time since then, milliseconds, by the clock that has gone further: at least as long as it was, but for a second. Infinite if the wall clock was set back, for then nobody knows. */
export function ageOf(moment: Moment, clock: Clock): number {
  const now = momentOf(clock);
  const [monotonic, wall] = [now.monotonic - moment.monotonic, now.wall - moment.wall];
  return wall < monotonic - maxSetBackMs ? Number.POSITIVE_INFINITY : Math.max(monotonic, wall);
}

/** What a term is made of. */
export interface TermOptions {
  readonly clock: Clock;
  /** When the request that gave us the lead was sent; undefined: the term does not end by itself. */
  readonly renewed: Moment | undefined;
  /** How long a renewal lasts from its answer on, milliseconds. */
  readonly lastsMs: number;
  /** How long it lasts at most from when it was sent, however late it was answered: less than others wait, milliseconds. */
  readonly limitMs: number;
  /** It has ended; its signal has aborted. */
  readonly onEnded: (reason: string) => void;
}

/** One term. Once it was told to be over, it stays so. */
export class Term {
  readonly #options: TermOptions;
  readonly #ending = new AbortController();
  /** The last renewal: when it was sent, and when its answer was there. Undefined: the term does not end by itself. */
  #renewal: { readonly sent: Moment; readonly answered: Moment } | undefined;
  #cancelTimer: () => void = () => {};

  constructor(options: TermOptions) {
    this.#options = options;
    if (options.renewed) this.#note(options.renewed);
    this.#watch();
  }

  /** Aborts when the term ends. */
  get signal(): AbortSignal {
    return this.#ending.signal;
  }

  /** Whether the term goes on at this very moment. If its time is up, this ends it. */
  goesOn(): boolean {
    if (this.signal.aborted) return false;
    if (this.#leftMs() > 0) return true;
    this.end("the Lease could not be renewed in time");
    return false;
  }

  /** The Lease was renewed by a request that was sent then. A term that is over is not revived. */
  renew(sent: Moment): void {
    if (this.goesOn()) this.#note(sent);
  }

  /** Ends it. Idempotent. */
  end(reason: string): void {
    if (this.signal.aborted) return;
    this.#cancelTimer();
    this.#ending.abort(new Error(`not leading any more: ${reason}`));
    this.#options.onEnded(reason);
  }

  #note(sent: Moment): void {
    this.#renewal = { sent, answered: momentOf(this.#options.clock) };
  }

  #leftMs(): number {
    const { clock, lastsMs, limitMs } = this.#options;
    if (!this.#renewal) return Number.POSITIVE_INFINITY;
    const { sent, answered } = this.#renewal;
    return Math.min(lastsMs - ageOf(answered, clock), limitMs - ageOf(sent, clock));
  }

  /** Ends the term when its time is up, if nobody asks. */
  #watch(): void {
    const leftMs = this.#leftMs();
    if (leftMs === Number.POSITIVE_INFINITY) return;
    this.#cancelTimer = this.#options.clock.timer(Math.max(1, Math.ceil(leftMs)), () => {
      if (this.goesOn()) this.#watch();
    });
  }
}
