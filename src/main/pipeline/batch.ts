/** Gathers lines into a buffer that main thread and worker share, so that a line is copied once on its way. */
import { copyShared } from "../../domain/copy.ts";
import type { BatchTask, Origin, PodEvent, TaskLine } from "../../domain/messages.ts";

/** Bytes of a usual batch's buffer; a longer line gets a buffer of its own size. */
const usualBytes = 1280 * 1024;
/** Lines in a batch: more would not be cheaper per line, but delay the first. */
const maxLines = 64;
/** Buffers kept for reuse: as many as the pipeline's bound on bytes lets be under way. New shared memory is dear, and goes with a full collection only. */
const maxSpare = 13;

/** Called when a line was applied (with the frame it led to) or was given up. */
export type LineDone = (frame: Buffer | undefined) => void;

/** Lines on their way to a worker. */
export class Batch implements BatchTask {
  readonly buffer: SharedArrayBuffer;
  readonly lines: TaskLine[] = [];
  /** Where each line comes from, and when it arrived; monotonic ms. */
  readonly origins: Origin[] = [];
  readonly arrivals: number[] = [];
  /** Who waits for a line, by its index. */
  readonly waiters = new Map<number, LineDone>();
  readonly #view: Buffer;
  #used = 0;
  #listBytes = 0;

  constructor(buffer: SharedArrayBuffer) {
    this.buffer = buffer;
    this.#view = Buffer.from(buffer);
  }

  get bytes(): number {
    return this.#used;
  }

  /** Bytes of them that are items of lists. */
  get listBytes(): number {
    return this.#listBytes;
  }

  /** Whether a line of this length still fits. */
  fits(length: number): boolean {
    return this.lines.length < maxLines && this.#used + length <= this.buffer.byteLength;
  }

  add(origin: Origin, bytes: Uint8Array, events: readonly PodEvent[] | undefined, now: number): void {
    copyShared(bytes, this.#view, this.#used);
    this.origins.push(origin);
    this.lines.push({ source: origin === "watch" ? "watch" : "object", start: this.#used, length: bytes.length, events });
    this.arrivals.push(now);
    this.#used += bytes.length;
    if (origin === "list") this.#listBytes += bytes.length;
  }

  /** The bytes of one of its lines: a view. */
  bytesOf(index: number): Uint8Array {
    const line = this.lines[index];
    return line ? this.#view.subarray(line.start, line.start + line.length) : new Uint8Array();
  }

  /** One of its lines, as a task. */
  only(index: number): BatchTask {
    return { buffer: this.buffer, lines: this.lines.slice(index, index + 1) };
  }
}

/** Hands out batches over reused buffers. */
export class BatchBuffers {
  readonly #spare: SharedArrayBuffer[] = [];

  batchFor(length: number): Batch {
    const buffer = length > usualBytes ? new SharedArrayBuffer(length) : (this.#spare.pop() ?? new SharedArrayBuffer(usualBytes));
    return new Batch(buffer);
  }

  /** The batch is done with, and no worker has its buffer any more. */
  recycle(batch: Batch): void {
    if (batch.buffer.byteLength === usualBytes && this.#spare.length < maxSpare) this.#spare.push(batch.buffer);
  }
}
