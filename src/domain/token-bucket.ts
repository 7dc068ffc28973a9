/** A token bucket: how often something may happen in the long run, and how often at once after a pause. */

/** Tokens come back one an interval, up to the bucket's size; below 0 are those that are owed. Time is the caller's, monotonic milliseconds. */
export class TokenBucket {
  readonly #size: number;
  readonly #intervalMs: number;
  #tokens: number;
  #filledAt: number;

  /** Full at first. @param intervalMs 0: it is always full. */
  constructor(size: number, intervalMs: number, now: number) {
    this.#size = size;
    this.#intervalMs = intervalMs;
    this.#tokens = size;
    this.#filledAt = now;
  }

  /** Tokens as of the last fill, and what was taken since. */
  get tokens(): number {
    return this.#tokens;
  }

  /** Puts back what has come until now; gives the tokens that there are. */
  fill(now: number): number {
    this.#tokens = this.#intervalMs > 0 ? Math.min(this.#size, this.#tokens + (now - this.#filledAt) / this.#intervalMs) : this.#size;
    this.#filledAt = now;
    return this.#tokens;
  }

  /** Takes a token, be it one that is owed; a negative count gives back. */
  take(count = 1): void {
    this.#tokens -= count;
  }
}
