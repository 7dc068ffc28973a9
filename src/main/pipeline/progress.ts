/** Whether the pipeline moves: for the probe that has a stuck daemon restarted. */
import type { Clock } from "../../domain/clock.ts";
import type { WorkerPool } from "./pool.ts";

/** Signs of life: a worker answered, a line took effect. */
export class Progress {
  readonly #clock: Clock;
  #movedAt = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Something moved. Gives the time, monotonic ms. */
  moved(): number {
    this.#movedAt = this.#clock.monotonic();
    return this.#movedAt;
  }

  /** How long (ms) what has waited since `since` has seen nothing move. */
  stalledMs(since: number): number {
    return Math.max(0, this.#clock.monotonic() - Math.max(since, this.#movedAt));
  }

  /** The pool, whose every answer counts. */
  watching(pool: WorkerPool): WorkerPool {
    const run: WorkerPool["run"] = async (task, signal) => {
      const result = await pool.run(task, signal);
      this.moved();
      return result;
    };
    return { capacity: pool.capacity, run, close: () => pool.close() };
  }
}
