/** Counts what is under way, so that it can be bounded and waited for. */

/** Tasks under way. */
export class Pending {
  #count = 0;
  readonly #waiting = new Set<() => void>();
  #failure: { readonly error: unknown } | undefined;

  /** A task that rejects is told by {@link Pending.below}. */
  add(task: Promise<void>): void {
    this.#count++;
    void task.catch((error: unknown) => {
      this.#failure ??= { error };
    }).finally(() => {
      this.#count--;
      for (const wake of this.#waiting) wake();
      this.#waiting.clear();
    });
  }

  /** Resolves once fewer are under way. Rejects, then and from then on, with what the first task that failed did with. */
  async below(limit: number): Promise<void> {
    while (this.#count >= limit) {
      await new Promise<void>((resolve) => {
        this.#waiting.add(resolve);
      });
    }
    if (this.#failure) throw this.#failure.error;
  }
}
