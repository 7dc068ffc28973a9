/** One thing at a time for each key; different keys do not wait for each other. */

/** Lanes with work in them; an empty one takes no memory. */
export class Lanes {
  readonly #last = new Map<string, Promise<unknown>>();

  /** Runs the work after all that was given before for the key, whatever became of it. Bounded by whoever waits: callers are calls, which the server bounds. */
  run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(key);
    const running = before ? before.then(work, work) : work();
    this.#last.set(key, running);
    const leave = (): void => {
      if (this.#last.get(key) === running) this.#last.delete(key);
    };
    running.then(leave, leave);
    return running;
  }
}
