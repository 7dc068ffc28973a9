/** The worker pool: Piscina behind the small interface that the pipeline needs. */
import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import { Piscina } from "piscina";
import type { BatchResult, BatchTask, DeriveConfig } from "../../domain/messages.ts";
import { messageOf, WsmanError } from "../../domain/errors.ts";
import type { Log } from "../../domain/log.ts";

/** Runs batches. One that fails rejects; the pool itself goes on. */
export interface WorkerPool {
  /** Batches that may run or wait at the same time. */
  readonly capacity: number;
  /** Rejects if the worker dies, throws, or is aborted: an abort ends the worker, which is replaced. */
  run(task: BatchTask, signal: AbortSignal): Promise<BatchResult>;
  close(): Promise<void>;
}

/** How the pool is sized. */
export interface PoolOptions {
  readonly workers: number;
  readonly derive: DeriveConfig;
  readonly log: Log;
  /** Another worker file, for tests of failing ones. */
  readonly workerFile?: string;
}

/** Enough for a batch of pods; a bound, so that a worker that grows without end is replaced rather than the machine exhausted. */
const resourceLimits = { maxOldGenerationSizeMb: 512, maxYoungGenerationSizeMb: 16 };
/** One runs, one is ready in the worker's port, so that the worker never waits for the main thread. */
const tasksPerWorker = 2;

function defaultWorkerFile(): string {
  return fileURLToPath(new URL(`../../workers/task${extname(import.meta.url)}`, import.meta.url));
}

/**
 * Starts the pool and proves with an empty batch that its workers start.
 * @throws WsmanError (INTERNAL) if they do not within 30 s: nothing would ever be derived.
 */
export async function startPool(options: PoolOptions): Promise<WorkerPool> {
  const piscina = new Piscina<BatchTask, BatchResult>({
    filename: options.workerFile ?? defaultWorkerFile(),
    minThreads: options.workers,
    maxThreads: options.workers,
    concurrentTasksPerWorker: tasksPerWorker,
    maxQueue: options.workers * tasksPerWorker * 2,
    workerData: options.derive,
    resourceLimits,
    atomics: "sync",
  });
  piscina.on("error", (error: unknown) => options.log.error({ error: messageOf(error) }, "a worker failed and is replaced"));
  const pool: WorkerPool = {
    capacity: options.workers * tasksPerWorker,
    run: (task, signal) => piscina.run({ buffer: task.buffer, lines: task.lines }, { signal }),
    close: () => piscina.destroy(),
  };
  await warmUp(pool);
  return pool;
}

/** An empty batch: shows that a worker can start and answer. */
export const emptyTask = (): BatchTask => ({ buffer: new SharedArrayBuffer(0), lines: [] });

async function warmUp(pool: WorkerPool): Promise<void> {
  try {
    await pool.run(emptyTask(), AbortSignal.timeout(30_000));
  } catch (error) {
    await pool.close();
    throw new WsmanError("INTERNAL", `workers do not start: ${messageOf(error)}`, { cause: error });
  }
}
