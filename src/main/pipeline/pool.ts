/** The worker pool: Piscina behind the small interface that the pipeline needs. */
import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import type { Worker } from "node:worker_threads";
import { Piscina } from "piscina";
import { copyShared } from "../../domain/copy.ts";
import { eventsOfLines, mailboxBytes, readResult, writeResult, writeTask, type PostedTask } from "../../domain/mailbox.ts";
import type { BatchResult, BatchTask, DeriveConfig } from "../../domain/messages.ts";
import { messageOf, WsmanError } from "../../domain/errors.ts";
import type { Log } from "../../domain/log.ts";
import { processBatch } from "../../workers/batch.ts";

/** Workers that start have loaded their code and answered by then, also on a machine that is starved, milliseconds. */
export const workersStartMs = 30_000;

/** Runs batches. One that fails rejects; the pool itself goes on. */
export interface WorkerPool {
  /** Batches that may run or wait at the same time. */
  readonly capacity: number;
  /** Rejects if the worker dies, throws, or is aborted: an abort ends the workers, which are replaced, and makes what they have under way fail, too. */
  run(task: BatchTask, signal: AbortSignal): Promise<BatchResult>;
  /** Does in the calling thread what a worker would do; undefined if there is too much of it. No such function: that is not possible. */
  readonly atOnce?: ((task: BatchTask) => BatchResult | undefined) | undefined;
  close(): Promise<void>;
}

/** A pool of threads. */
export interface ThreadPool extends WorkerPool {
  /** Those that run now; others stand in their places after an abort. */
  readonly threads: readonly Worker[];
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
/** One runs, two are ready in the worker's port, so that the worker never waits for the main thread: that reads up to 26 lines of 20 kB before it looks at anything else. */
const tasksPerWorker = 3;

function defaultWorkerFile(): string {
  return fileURLToPath(new URL(`../../workers/task${extname(import.meta.url)}`, import.meta.url));
}

/** Memory for one task under way. */
interface Mailbox {
  /** The number by which workers know it; undefined for one that took another's place. */
  readonly number: number | undefined;
  readonly shared: SharedArrayBuffer;
  readonly memory: Buffer;
}

type Workers = Piscina<PostedTask, BatchResult | number>;

/** Piscina and the mailboxes of its tasks. */
class MailboxPool implements ThreadPool {
  readonly capacity: number;
  readonly atOnce: WorkerPool["atOnce"];
  readonly #options: PoolOptions;
  /** Undefined: started when it is needed. */
  #piscina: Workers | undefined;
  readonly #free: Mailbox[];
  readonly #known: readonly SharedArrayBuffer[];
  /** Pools that are being ended. */
  readonly #ending = new Set<Promise<void>>();

  constructor(options: PoolOptions) {
    this.#options = options;
    this.capacity = options.workers * tasksPerWorker;
    // Other workers do other things.
    if (options.workerFile === undefined) this.atOnce = atOnce(options.derive);
    // One more for the empty batch by which a pool is probed.
    this.#free = Array.from({ length: this.capacity + 1 }, (_, number) => mailbox(number));
    this.#known = this.#free.map(({ shared }) => shared);
  }

  get threads(): readonly Worker[] {
    return this.#piscina?.threads ?? [];
  }

  #start(): Workers {
    const options = this.#options;
    const piscina: Workers = new Piscina<PostedTask, BatchResult | number>({
      filename: options.workerFile ?? defaultWorkerFile(),
      minThreads: options.workers,
      maxThreads: options.workers,
      concurrentTasksPerWorker: tasksPerWorker,
      maxQueue: options.workers * tasksPerWorker * 2,
      workerData: { derive: options.derive, mailboxes: this.#known },
      resourceLimits,
      atomics: "sync",
      // Its histograms cost as much as a task of one line.
      recordTiming: false,
    });
    piscina.on("error", (error: unknown) => options.log.error({ error: messageOf(error) }, "a worker failed and is replaced"));
    return piscina;
  }

  async run(task: BatchTask, signal: AbortSignal): Promise<BatchResult> {
    const box = this.#free.pop() ?? mailbox(undefined);
    writeTask(box.memory, task.lines);
    let answer: BatchResult | number;
    try {
      answer = await this.#post({ buffer: task.buffer, mailbox: box.number ?? box.shared, events: eventsOfLines(task.lines) }, signal);
    } catch (error) {
      // A worker that is being ended may still write to its mailbox.
      this.#free.push(mailbox(undefined));
      throw error;
    }
    // Read before it is free: what is read now is a copy, but for the bytes, of which there is one.
    const result = typeof answer === "number" ? own(readResult(box.memory)) : answer;
    this.#free.push(box);
    return result;
  }

  async close(): Promise<void> {
    this.#end();
    await Promise.all(this.#ending);
  }

  /**
   * Piscina is not given the signal: it would send a worker one task that can be aborted at a time, and let it wait for the main thread after each. An abort ends
   * all workers instead, and the tasks of the others fail with it.
   */
  async #post(task: PostedTask, signal: AbortSignal): Promise<BatchResult | number> {
    signal.throwIfAborted();
    const workers = (this.#piscina ??= this.#start());
    const aborted = Promise.withResolvers<never>();
    const abort = (): void => {
      if (this.#piscina === workers) this.#end();
      aborted.reject(new Error("the batch was given up"));
    };
    signal.addEventListener("abort", abort, { once: true });
    try {
      return await Promise.race([workers.run(task), aborted.promise]);
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }

  #end(): void {
    const ended = this.#piscina?.destroy();
    this.#piscina = undefined;
    if (!ended) return;
    const done = ended.catch((error: unknown) => this.#options.log.warn({ error: messageOf(error) }, "workers did not end in order")).finally(() => this.#ending.delete(done));
    this.#ending.add(done);
  }
}

function mailbox(number: number | undefined): Mailbox {
  const shared = new SharedArrayBuffer(mailboxBytes);
  return { number, shared, memory: Buffer.from(shared) };
}

/** The derivation, for the caller's thread. What comes back went the way of workers' answers: its texts are copies, not parts of the whole line's, which would stay with them. */
function atOnce(derive: DeriveConfig): (task: BatchTask) => BatchResult | undefined {
  const memory = Buffer.alloc(mailboxBytes);
  return (task) => (writeResult(memory, processBatch(task, derive)) === undefined ? undefined : own(readResult(memory)));
}

/** The result with bytes of its own: results wait for those before them, mailboxes do not. */
function own(result: BatchResult): BatchResult {
  const { bytes } = result;
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  copyShared(bytes, copy, 0);
  return { ...result, bytes: copy };
}

/**
 * Starts the pool and proves with an empty batch that its workers start.
 * @throws WsmanError (INTERNAL) if they do not within 30 s: nothing would ever be derived.
 */
export async function startPool(options: PoolOptions): Promise<ThreadPool> {
  const pool = new MailboxPool(options);
  await warmUp(pool);
  return pool;
}

/** An empty batch: shows that a worker can start and answer. */
export const emptyTask = (): BatchTask => ({ buffer: new SharedArrayBuffer(0), lines: [] });

async function warmUp(pool: WorkerPool): Promise<void> {
  try {
    await pool.run(emptyTask(), AbortSignal.timeout(workersStartMs));
  } catch (error) {
    await pool.close();
    throw new WsmanError("INTERNAL", `workers do not start: ${messageOf(error)}`, { cause: error });
  }
}
