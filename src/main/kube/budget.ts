/** The client-side budget of requests to the API server: a token bucket in which users' calls go first, then finalization, then housekeeping, then Events (spec: kubernetes). */
import type { Clock } from "../../domain/clock.ts";
import { TokenBucket } from "../../domain/token-bucket.ts";
import { abortedError, KubeError } from "./errors.ts";

/** Classes of requests, from the first to the last. */
export const priorities = ["user", "finalization", "housekeeping", "events"] as const;
/** One of {@link priorities}. */
export type Priority = (typeof priorities)[number];

/** What a budget is made of. */
export interface BudgetOptions {
  /** Requests per second in the long run. */
  readonly qps: number;
  /** Requests at once after a pause. */
  readonly burst: number;
  readonly clock: Clock;
  /** Requests of one class that may wait; more are refused. Default 10,000. */
  readonly maxWaiting?: number;
}

/** Lets requests go at a rate. The watches and lists that keep the state up to date need none of it. */
export class Budget {
  readonly #options: BudgetOptions;
  readonly #queues: Readonly<Record<Priority, Set<() => void>>> = { user: new Set(), finalization: new Set(), housekeeping: new Set(), events: new Set() };
  readonly #bucket: TokenBucket;
  #timer: (() => void) | undefined;

  constructor(options: BudgetOptions) {
    this.#options = options;
    this.#bucket = new TokenBucket(options.burst, 1000 / options.qps, options.clock.monotonic());
  }

  /** Requests that wait. */
  waiting(priority: Priority): number {
    return this.#queues[priority].size;
  }

  /** Resolves when the request may go. Rejects with a KubeError if the signal aborts before (reason "Aborted"), or too many wait already (reason "Busy", retryable). */
  async take(priority: Priority, signal: AbortSignal): Promise<void> {
    if (signal.aborted) throw abortedError();
    const { maxWaiting = 10_000 } = this.#options;
    const queue = this.#queues[priority];
    if (this.#fill() >= 1 && priorities.every((name) => this.#queues[name].size === 0)) {
      this.#bucket.take();
      return;
    }
    if (queue.size >= maxWaiting) throw new KubeError(`${maxWaiting} requests to the API server are waiting already`, { status: 0, reason: "Busy" });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const abort = (): void => {
      queue.delete(resolve);
      reject(abortedError());
    };
    signal.addEventListener("abort", abort, { once: true });
    queue.add(resolve);
    this.#schedule();
    try {
      await promise;
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }

  #fill(): number {
    return this.#bucket.fill(this.#options.clock.monotonic());
  }

  #schedule(): void {
    if (this.#timer || priorities.every((name) => this.#queues[name].size === 0)) return;
    const { clock, qps } = this.#options;
    const missing = Math.max(0, 1 - this.#bucket.tokens);
    this.#timer = clock.timer(Math.max(1, Math.ceil((missing * 1000) / qps)), () => {
      this.#timer = undefined;
      this.#letGo();
      this.#schedule();
    });
  }

  #letGo(): void {
    this.#fill();
    for (const priority of priorities) {
      for (const go of this.#queues[priority]) {
        if (this.#bucket.tokens < 1) return;
        this.#bucket.take();
        this.#queues[priority].delete(go);
        go();
      }
    }
  }
}
