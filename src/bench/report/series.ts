/** Samples of something over time, in bounded memory: when there are too many, each two neighbours become one, and what follows is kept as sparsely. */

/** A series of samples in the order of their times; the last one is always kept as it is. */
export class Series<T extends { readonly at: number }> {
  readonly #max: number;
  readonly #fold: (older: T, newer: T) => T;
  #samples: T[] = [];
  /** A sample closer to the one before it than this is replaced by the next one; milliseconds. */
  #apart = 0;

  /**
   * @param max most samples.
   * @param fold makes one sample of two; it must be at the newer one's time.
   */
  constructor(max: number, fold: (older: T, newer: T) => T) {
    this.#max = max;
    this.#fold = fold;
  }

  get samples(): readonly T[] {
    return this.#samples;
  }

  add(sample: T): void {
    const last = this.#samples.at(-1);
    const before = this.#samples.at(-2);
    if (last && before && last.at - before.at < this.#apart) this.#samples[this.#samples.length - 1] = this.#fold(last, sample);
    else this.#samples.push(sample);
    if (this.#samples.length > this.#max) this.#thin(sample.at);
  }

  #thin(now: number): void {
    const from = this.#samples[0]?.at ?? now;
    this.#apart = (2 * (now - from)) / (this.#samples.length - 1);
    const kept: T[] = [];
    for (let i = 0; i < this.#samples.length; i += 2) {
      const [older, newer] = [this.#samples[i], this.#samples[i + 1]];
      if (older) kept.push(newer ? this.#fold(older, newer) : older);
    }
    this.#samples = kept;
  }
}
