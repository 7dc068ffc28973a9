/** Batches in the pool: each has its time, and one whose worker fails is done again line by line. */
import { watchdog, type Clock } from "../../domain/clock.ts";
import { messageOf } from "../../domain/errors.ts";
import type { Log } from "../../domain/log.ts";
import type { BatchResult } from "../../domain/messages.ts";
import type { Batch } from "./batch.ts";
import { Isolation } from "./isolation.ts";
import type { WorkerPool } from "./pool.ts";

/** What running batches takes. */
export interface RunsOptions {
  readonly pool: WorkerPool;
  /** As isolation sees it, which may take its time over one batch. */
  readonly patientPool: WorkerPool;
  readonly clock: Clock;
  readonly log: Log;
  /** See PipelineLimits. */
  readonly watchdogMs: number;
  /** A batch's worker failed; it is done again. */
  readonly onRetry: (batch: Batch) => void;
}

/** Runs batches. */
export class Runs {
  readonly #options: RunsOptions;
  readonly #isolation: Isolation;
  /** Batches that a worker of the pool has, but for those that are done again. */
  #inPool = 0;
  readonly #underWay = new Set<AbortController>();
  readonly #onLeft: (() => void)[] = [];
  readonly #closed: AbortSignal;

  /** @param closed aborts when nothing is to be run any more; what is under way is given up then. */
  constructor(options: RunsOptions, closed: AbortSignal) {
    const { patientPool, clock, log, watchdogMs } = options;
    this.#options = options;
    this.#closed = closed;
    this.#isolation = new Isolation(patientPool, clock, log, watchdogMs, closed);
    closed.addEventListener("abort", () => {
      for (const ending of this.#underWay) ending.abort();
    }, { once: true });
  }

  /** While true, no batch is to be run: one is being done again, with nothing else beside it. */
  get busy(): boolean {
    return this.#isolation.busy;
  }

  /** One result per line, whatever becomes of workers. Rejects only when all is closed. */
  async run(batch: Batch): Promise<BatchResult> {
    const { pool, clock, log, watchdogMs, onRetry } = this.#options;
    // One for each batch, which the end aborts, too: a signal that follows others (AbortSignal.any) costs as much as sending a batch.
    const ending = new AbortController();
    const cancel = watchdog(clock, watchdogMs, () => ending.abort());
    this.#underWay.add(ending);
    if (this.#closed.aborted) ending.abort();
    this.#inPool++;
    try {
      const result = await pool.run(batch, ending.signal);
      this.#left();
      return result;
    } catch (error) {
      if (this.#closed.aborted) throw error;
      onRetry(batch);
      log.warn({ lines: batch.lines.length, error: messageOf(error) }, "a worker failed, its batch is done again line by line");
      this.#left();
      return await this.#isolation.run(batch, () => this.#alone());
    } finally {
      cancel();
      this.#underWay.delete(ending);
    }
  }

  /** Resolves once no batch runs in the pool but those that are done again one by one. */
  async #alone(): Promise<void> {
    while (this.#inPool > 0) await new Promise<void>((resolve) => this.#onLeft.push(resolve));
  }

  #left(): void {
    this.#inPool--;
    for (const resolve of this.#onLeft.splice(0)) resolve();
  }
}
