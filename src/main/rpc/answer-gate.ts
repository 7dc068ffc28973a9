/** Admits calls whose answers are large: one in each turn of the event loop, and few bytes in memory, so that no flood of them stalls the streams. */
import { WsmanError } from "../../domain/errors.ts";

/** Bounds of a gate. At each, calls wait. */
export interface AnswerGateLimits {
  /** Bytes of answers that their clients have not taken yet; the last one admitted may go beyond. */
  readonly maxBytes: number;
  /** Calls that are admitted and have not ended. */
  readonly maxCalls: number;
  /** Calls that wait; more are refused. */
  readonly maxWaiting: number;
}

/** Bounds that suit any size. */
export const defaultAnswerLimits: AnswerGateLimits = { maxBytes: 64 * 1024 * 1024, maxCalls: 256, maxWaiting: 20_000 };

/** An admitted call's place. */
export interface Pass {
  /** The answer is there and has so many bytes. */
  holds(bytes: number): void;
  /** The call has ended. Idempotent. */
  leave(): void;
}

type Waiter = (pass: Pass) => void;

/** First come, first served. */
export class AnswerGate {
  readonly #limits: AnswerGateLimits;
  readonly #waiting = new Set<Waiter>();
  #calls = 0;
  #bytes = 0;
  #planned = false;

  constructor(limits: AnswerGateLimits = defaultAnswerLimits) {
    this.#limits = limits;
  }

  /** Calls that wait. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Resolves when the call's turn has come. Rejects with RESOURCE_EXHAUSTED if too many wait, and with CANCELLED if the signal aborts first. */
  enter(signal: AbortSignal): Promise<Pass> {
    if (this.#waiting.size >= this.#limits.maxWaiting) return Promise.reject(new WsmanError("RESOURCE_EXHAUSTED", `${this.#waiting.size} calls wait for their answer already: try again later, or use Subscribe`));
    return new Promise((resolve, reject) => {
      const cancel = (): void => {
        this.#waiting.delete(admit);
        reject(new WsmanError("CANCELLED", "the call was cancelled"));
      };
      const admit = (pass: Pass): void => {
        signal.removeEventListener("abort", cancel);
        resolve(pass);
      };
      this.#waiting.add(admit);
      if (signal.aborted) cancel();
      else signal.addEventListener("abort", cancel, { once: true });
      this.#plan();
    });
  }

  get #open(): boolean {
    return this.#waiting.size > 0 && this.#calls < this.#limits.maxCalls && this.#bytes < this.#limits.maxBytes;
  }

  /** What waits for the network or a timer comes between any two calls. */
  #plan(): void {
    if (this.#planned || !this.#open) return;
    this.#planned = true;
    setImmediate(() => {
      this.#planned = false;
      this.#admitNext();
      this.#plan();
    });
  }

  #admitNext(): void {
    const [next] = this.#waiting;
    if (!next || !this.#open) return;
    this.#waiting.delete(next);
    this.#calls++;
    next(this.#pass());
  }

  #pass(): Pass {
    let held = 0;
    let left = false;
    return {
      holds: (bytes) => {
        if (left) return;
        this.#bytes += bytes - held;
        held = bytes;
      },
      leave: () => {
        if (left) return;
        left = true;
        this.#calls--;
        this.#bytes -= held;
        this.#plan();
      },
    };
  }
}
