/** Delays between attempts at something that fails: exponential, jittered, bounded. */

/** Bounds of the delays, milliseconds. */
export interface BackoffOptions {
  /** Longest first delay. */
  readonly baseMs: number;
  /** No delay is longer than this. */
  readonly maxMs: number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

/** Hands out delays that double from attempt to attempt. Each is drawn from the upper half of its range, so that many clients spread out. */
export class Backoff {
  readonly #options: BackoffOptions;
  #attempts = 0;

  constructor(options: BackoffOptions) {
    this.#options = options;
  }

  /** Delays handed out since the last reset. */
  get attempts(): number {
    return this.#attempts;
  }

  /** The next delay in milliseconds: between half of and all of min(maxMs, baseMs * 2^attempts). */
  next(): number {
    const { baseMs, maxMs, random } = this.#options;
    const ceiling = Math.min(maxMs, baseMs * 2 ** Math.min(this.#attempts, 30));
    this.#attempts++;
    return ceiling * (0.5 + random() / 2);
  }

  /** What was tried works again: start from the shortest delay. */
  reset(): void {
    this.#attempts = 0;
  }
}
