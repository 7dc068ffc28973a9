/** A worker pool in this thread: it derives as workers do, when a test lets it. */
import type { BatchResult, BatchTask } from "../../../src/domain/messages.ts";
import type { WorkerPool } from "../../../src/main/pipeline/pool.ts";
import { processBatch } from "../../../src/workers/batch.ts";
import { config } from "../workers/pods.ts";

/** A task that waits for the test's word. */
export interface HeldTask {
  readonly task: BatchTask;
  /** Works it off. */
  go(): void;
  /** The worker dies over it. */
  crash(): void;
}

/** Works as real ones do, or as the test says. */
export class HeldPool implements WorkerPool {
  readonly capacity: number;
  /** Tasks that wait, oldest first. */
  readonly held: HeldTask[] = [];
  /** Every task that was sent. */
  readonly sent: BatchTask[] = [];
  readonly #work: (task: BatchTask) => BatchResult;
  #holding = false;

  constructor(capacity = 2, work: (task: BatchTask) => BatchResult = (task) => processBatch(task, config)) {
    this.capacity = capacity;
    this.#work = work;
  }

  /** From now on tasks wait. */
  hold(): void {
    this.#holding = true;
  }

  /** Tasks that wait are done, in order, and those to come at once. */
  release(): void {
    this.#holding = false;
    for (const task of this.held.splice(0)) task.go();
  }

  run(task: BatchTask, signal: AbortSignal): Promise<BatchResult> {
    this.sent.push(task);
    const { promise, resolve, reject } = Promise.withResolvers<BatchResult>();
    const done = (then: () => void): void => {
      const at = this.held.indexOf(held);
      if (at >= 0) this.held.splice(at, 1);
      then();
    };
    const held = {
      task,
      go: () => done(() => resolve(new Promise((answer) => answer(this.#work(task))))),
      crash: () => done(() => reject(new Error("worker died"))),
    };
    signal.addEventListener("abort", () => held.crash(), { once: true });
    this.held.push(held);
    if (signal.aborted) held.crash();
    else if (!this.#holding) queueMicrotask(held.go);
    return promise;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** The texts of a task's lines. */
export function linesOf(task: BatchTask): string[] {
  return task.lines.map((line) => Buffer.from(task.buffer, line.start, line.length).toString());
}
