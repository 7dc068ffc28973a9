/** Who still waits for work that several calls share: when the last of them has given up, it need not be begun any more. */

/** The calls that wait for one piece of work. */
export class Interest {
  readonly #gone = new AbortController();
  #waiting = 0;

  /** Aborts when there was somebody, and nobody is left. */
  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  /** One more waits. @param signal aborts when it gives up; must not have aborted yet. */
  add(signal: AbortSignal): void {
    this.#waiting++;
    signal.addEventListener("abort", () => {
      this.#waiting--;
      if (this.#waiting === 0) this.#gone.abort();
    }, { once: true });
  }
}
