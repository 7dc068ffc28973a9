/** Counts what is under way, so that it can be bounded and waited for. */

/** Tasks under way. */
export class Pending {
  #count = 0;
  readonly #waiting = new Set<() => void>();

  /** @param task must not reject. */
  add(task: Promise<void>): void {
    this.#count++;
    void task.finally(() => {
      this.#count--;
      for (const wake of this.#waiting) wake();
      this.#waiting.clear();
    });
  }

  /** Resolves once fewer are under way. */
  async below(limit: number): Promise<void> {
    while (this.#count >= limit) {
      await new Promise<void>((resolve) => {
        this.#waiting.add(resolve);
      });
    }
  }
}
