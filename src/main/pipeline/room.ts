/** A share of memory that lines may take up while they are under way: above its bound, whoever brings more is asked to wait. */

/** Counts bytes against a bound. */
export class Room {
  readonly #maxBytes: number;
  #bytes = 0;
  #free: PromiseWithResolvers<void> | undefined;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  take(bytes: number): void {
    this.#bytes += bytes;
  }

  give(bytes: number): void {
    this.#bytes -= bytes;
    if (!this.#free || this.#bytes > this.#maxBytes / 2) return;
    this.#free.resolve();
    this.#free = undefined;
  }

  /** Nothing if there is room; otherwise what resolves when half of it is free, so that a source does not stop and go with every line. */
  wait(): void | Promise<void> {
    if (this.#bytes <= this.#maxBytes) return undefined;
    this.#free ??= Promise.withResolvers<void>();
    return this.#free.promise;
  }
}
