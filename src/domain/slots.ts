/** Work that goes on at the same time, bounded: a few at once, some more wait, the rest is refused. */
import { WsmanError } from "./errors.ts";

/** Bounds. */
export interface SlotLimits {
  /** At once. */
  readonly max: number;
  /** That wait; more are refused. */
  readonly maxWaiting: number;
  /** What waits, for the refusal: "image specs". */
  readonly what: string;
}

/** First come, first served. */
export class Slots {
  readonly #limits: SlotLimits;
  readonly #waiting = new Set<() => void>();
  #running = 0;

  constructor(limits: SlotLimits) {
    this.#limits = limits;
  }

  get running(): number {
    return this.#running;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /**
   * Does the work when its turn has come; its place is free again when the work has ended. Rejects with RESOURCE_EXHAUSTED if too many wait already, with CANCELLED if the
   * signal aborts before its turn, and as the work does.
   */
  async run<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    await this.#enter(signal);
    try {
      return await work();
    } finally {
      const [next] = this.#waiting;
      // A place is handed on to the first who waits: whoever comes at this moment can not take it as well.
      if (next) next();
      else this.#running--;
    }
  }

  #enter(signal: AbortSignal): Promise<void> {
    const { max, maxWaiting, what } = this.#limits;
    const cancelled = (): WsmanError => new WsmanError("CANCELLED", "the call was cancelled, or its deadline has passed");
    if (signal.aborted) return Promise.reject(cancelled());
    if (this.#running < max) {
      this.#running++;
      return Promise.resolve();
    }
    if (this.#waiting.size >= maxWaiting) return Promise.reject(new WsmanError("RESOURCE_EXHAUSTED", `${this.#waiting.size} ${what} are waiting already: try again later`));
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        this.#waiting.delete(enter);
        signal.removeEventListener("abort", cancel);
      };
      const enter = (): void => {
        leave();
        resolve();
      };
      const cancel = (): void => {
        leave();
        reject(cancelled());
      };
      this.#waiting.add(enter);
      signal.addEventListener("abort", cancel, { once: true });
    });
  }
}
