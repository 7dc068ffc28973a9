/** The workers' code, run in the thread of the simulation: each batch takes a little virtual time, and some workers die, or hang. */
import type { BatchResult, BatchTask, DeriveConfig } from "../../../src/domain/messages.ts";
import type { Random } from "../../../src/embedded/kubelet/random.ts";
import type { WorkerPool } from "../../../src/main/pipeline/pool.ts";
import { processBatch } from "../../../src/workers/batch.ts";
import type { Machine } from "../machine.ts";

/** A pool that can be troubled. */
export interface SimulatedPool extends WorkerPool {
  /** So many of the next batches fail: their worker dies, or hangs until it is given up. */
  trouble(times: number, hang: boolean): void;
  /** From now on every batch takes so many milliseconds more. */
  slow(byMs: number): void;
}

/** As many as one worker takes. */
const capacity = 3;
/** How long a batch takes, milliseconds, at most. */
const slowestMs = 2;

/** Makes the pool of a process. @param decisions what becomes of what workers found: for daemons that are to be wrong. */
export function simulatedPool(machine: Machine, random: Random, derive: DeriveConfig, decisions: (result: BatchResult) => BatchResult): SimulatedPool {
  let troubled = 0;
  let hangs = false;
  let slowMs = 0;
  const work = (task: BatchTask): BatchResult => decisions(processBatch(task, derive, () => machine.monotonic()));
  return {
    capacity,
    // Changes that come alone wait for a worker in one process of two.
    ...(random() < 0.5 && { atOnce: work }),
    run: (task, signal) => new Promise((resolve, reject) => {
      const fails = troubled > 0;
      if (fails) troubled--;
      const giveUp = (): void => reject(new Error("the batch was given up"));
      if (signal.aborted) return giveUp();
      signal.addEventListener("abort", giveUp, { once: true });
      if (fails && hangs) return undefined;
      machine.timer(slowMs + random() * slowestMs, () => {
        signal.removeEventListener("abort", giveUp);
        if (fails) reject(new Error("the worker died"));
        else resolve(work(task));
      });
      return undefined;
    }),
    close: () => Promise.resolve(),
    trouble(times, hang) {
      troubled = times;
      hangs = hang;
    },
    slow(byMs) {
      slowMs = byMs;
    },
  };
}
