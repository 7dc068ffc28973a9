/**
 * Does a batch again whose worker failed: line by line, nothing else running, so that the blame is certain. Each line meets workers that were proved to work, and has more time than those took for nothing,
 * so that none is blamed for the time that new ones take to start, or for workers that get no processor. One that fails twice is set aside; all others get their results, each once.
 */
import { sleep, watchdog, type Clock } from "../../domain/clock.ts";
import { messageOf } from "../../domain/errors.ts";
import type { Log } from "../../domain/log.ts";
import type { BatchResult, BatchTask, LineResult, ResultRange, SkippedResult, WorkspaceResult } from "../../domain/messages.ts";
import type { Batch } from "./batch.ts";
import { peekUid } from "./peek.ts";
import { emptyTask, workersStartMs, type WorkerPool } from "./pool.ts";

const tries = 2;
/** Between attempts while not even an empty batch succeeds. */
const poolDownMs = 1000;
/** A line may take so many times as long as an empty batch did just before; that one has half a minute at most. */
const slowness = 2;

/** Runs one suspect batch at a time. */
export class Isolation {
  readonly #pool: WorkerPool;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #watchdogMs: number;
  readonly #closed: AbortSignal;
  #queue: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  constructor(pool: WorkerPool, clock: Clock, log: Log, watchdogMs: number, closed: AbortSignal) {
    this.#pool = pool;
    this.#clock = clock;
    this.#log = log;
    this.#watchdogMs = watchdogMs;
    this.#closed = closed;
  }

  /** While true, nothing else is to be sent to the pool. */
  get busy(): boolean {
    return this.#waiting > 0;
  }

  /**
   * One result per line, as if the batch had succeeded. Rejects only when the pipeline is closed.
   * @param alone resolves when nothing else runs in the pool any more.
   */
  async run(batch: Batch, alone: () => Promise<void>): Promise<BatchResult> {
    this.#waiting++;
    const mine = this.#queue.then(alone).then(() => this.#each(batch));
    this.#queue = mine.catch(() => {});
    try {
      return await mine;
    } finally {
      this.#waiting--;
    }
  }

  async #each(batch: Batch): Promise<BatchResult> {
    const results: LineResult[] = [];
    const parts: Uint8Array[] = [];
    let offset = 0;
    let busyMicros = 0;
    let limitMs = await this.#untilPoolWorks();
    for (let index = 0; index < batch.lines.length; index++) {
      const done = await this.#one(batch.only(index), limitMs);
      if (!done) {
        results.push(this.#setAside(batch, index));
        limitMs = await this.#untilPoolWorks();
        continue;
      }
      for (const result of done.results) results.push(shifted(result, offset));
      parts.push(done.bytes);
      offset += done.bytes.length;
      busyMicros += done.busyMicros;
    }
    return { results, bytes: new Uint8Array(Buffer.concat(parts)), busyMicros };
  }

  /** The result of a single line; undefined if it fails every time although the pool works. @param limitMs after so long it has hung. */
  async #one(task: BatchTask, limitMs: number): Promise<BatchResult | undefined> {
    let patienceMs = limitMs;
    for (let failures = 0; failures < tries; failures++) {
      try {
        return await this.#attempt(task, patienceMs);
      } catch {
        this.#closed.throwIfAborted();
        if (failures + 1 < tries) patienceMs = await this.#untilPoolWorks();
      }
    }
    return undefined;
  }

  /** Gives how long a line may take of workers that are as fast as these are now, milliseconds. */
  async #untilPoolWorks(): Promise<number> {
    for (;;) {
      const tookMs = await this.#poolWorks();
      if (tookMs !== undefined) return Math.max(this.#watchdogMs, slowness * tookMs);
      await sleep(this.#clock, poolDownMs, this.#closed);
    }
  }

  /** How long the workers took for nothing, milliseconds; undefined if they fail. */
  async #poolWorks(): Promise<number | undefined> {
    this.#closed.throwIfAborted();
    const from = this.#clock.monotonic();
    try {
      await this.#attempt(emptyTask(), workersStartMs);
      return this.#clock.monotonic() - from;
    } catch (error) {
      this.#closed.throwIfAborted();
      this.#log.error({ error: messageOf(error) }, "the worker pool does not work");
      return undefined;
    }
  }

  /** @param withinMs then it has hung. */
  async #attempt(task: BatchTask, withinMs: number): Promise<BatchResult> {
    const hung = new AbortController();
    const cancel = watchdog(this.#clock, withinMs, () => hung.abort());
    try {
      return await this.#pool.run(task, AbortSignal.any([hung.signal, this.#closed]));
    } finally {
      cancel();
    }
  }

  #setAside(batch: Batch, index: number): SkippedResult {
    const line = batch.lines[index];
    const bytes = line ? new Uint8Array(batch.buffer, line.start, line.length) : new Uint8Array();
    const uid = peekUid(bytes) ?? "";
    const removed = line?.source === "watch" && Buffer.from(batch.buffer, line.start, line.length).toString("latin1", 0, 24).startsWith('{"type":"DELETED"');
    return { kind: "skipped", reason: "poisoned", message: "makes workers fail; set aside", uid, podName: "", resourceVersion: "", removed };
  }
}

/** Whatever of a result is a piece of its batch's bytes, apart from the status itself: a member that is forgotten below does not compile. */
type Ranges = { readonly [K in keyof WorkspaceResult as ResultRange extends WorkspaceResult[K] ? K : never]: WorkspaceResult[K] };

/** A result as part of a larger one, before whose bytes `offset` others stand. */
function shifted(result: LineResult, offset: number): LineResult {
  if (result.kind === "skipped" || offset === 0) return result;
  const moved = (range: ResultRange | undefined): ResultRange | undefined => range && { start: range.start + offset, length: range.length };
  const ranges: Ranges = { held: moved(result.held), init: moved(result.init), trace: moved(result.trace) };
  return { ...result, start: result.start + offset, ...ranges };
}
