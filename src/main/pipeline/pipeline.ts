/**
 * The pipeline: lines in, ordered results out. Batches run on any worker; results take effect strictly in the order in which
 * the lines came (docs/architecture.md). Bounded by bytes: above, whoever brings lines is asked to wait.
 */
import type { BatchResult, Origin } from "../../domain/messages.ts";
import type { ReflectorSink } from "../kube/sink.ts";
import { AtOnce } from "./at-once.ts";
import { Batch, BatchBuffers, type LineDone } from "./batch.ts";
import { LineCommit, type CommitOptions } from "./commit.ts";
import { peekUid } from "./peek.ts";
import type { WorkerPool } from "./pool.ts";
import { Progress } from "./progress.ts";
import { Room } from "./room.ts";
import { Runs } from "./runs.ts";

/** Bounds of the pipeline. */
export interface PipelineLimits {
  /** Bytes of lines that may be under way; above, sources wait. */
  readonly maxBytes: number;
  /** Bytes of them that may be items of lists: so much stands before a line of the watch at most. */
  readonly maxListBytes: number;
  /** A batch that takes longer (ms, by the clock of {@link watchdog}) has hung: its worker is replaced. */
  readonly watchdogMs: number;
  /** Time (ms) for which results are applied before the event loop gets its turn. */
  readonly sliceMs: number;
}

/** Bounds that suit any size. */
export const defaultPipelineLimits: PipelineLimits = { maxBytes: 16 * 1024 * 1024, maxListBytes: 2 * 1024 * 1024, watchdogMs: 5000, sliceMs: 5 };

/** What the pipeline needs. */
export interface PipelineOptions extends CommitOptions {
  readonly pool: WorkerPool;
  readonly limits?: PipelineLimits;
}

/** Batches, for each that the pool takes, that may have been sent while the one at the head is not applied. */
const maxAhead = 8;

type Entry = { readonly kind: "batch"; readonly batch: Batch; result: BatchResult | undefined; next: number } | { readonly kind: "control"; readonly steps: Iterator<void> };

/** Takes lines from a reflector and from whoever has a pod to be derived again. */
export class Pipeline implements ReflectorSink {
  readonly #options: PipelineOptions;
  readonly #limits: PipelineLimits;
  readonly #buffers = new BatchBuffers();
  readonly #runs: Runs;
  readonly #atOnce: AtOnce;
  /** In the order of arrival; a batch stays at the head until it was applied. Lines of a reflector are bounded by maxBytes, others by those who submit them. */
  readonly #order: Entry[] = [];
  /** Batches that wait for a free worker. */
  readonly #ready: Batch[] = [];
  #open: Batch | undefined;
  readonly #room: Room;
  readonly #listRoom: Room;
  /** Batches sent and not finished. */
  #running = 0;
  #sendPlanned = false;
  #applyPlanned = false;
  readonly #commit: LineCommit;
  readonly #progress: Progress;
  readonly #closed = new AbortController();

  constructor(options: PipelineOptions) {
    this.#options = options;
    this.#limits = options.limits ?? defaultPipelineLimits;
    this.#room = new Room(this.#limits.maxBytes);
    this.#listRoom = new Room(this.#limits.maxListBytes);
    this.#commit = new LineCommit(options);
    this.#progress = new Progress(options.clock);
    this.#atOnce = new AtOnce(options.pool.atOnce, (uid) => options.target.knows(uid));
    const { pool, clock, log } = options;
    this.#runs = new Runs({ pool, patientPool: this.#progress.watching(pool), clock, log, watchdogMs: this.#limits.watchdogMs, onRetry: (batch) => this.#retried(batch) }, this.#closed.signal);
  }

  /** Lines that did not take effect yet. */
  get depth(): number {
    let lines = 0;
    for (const entry of this.#order) if (entry.kind === "batch") lines += entry.batch.lines.length;
    return lines;
  }

  /** How long (ms) the oldest line has been waiting without anything moving; 0 if none waits. */
  get stalledMs(): number {
    const [oldest] = this.#order;
    const since = oldest?.kind === "batch" ? oldest.batch.arrivals[0] : undefined;
    return since === undefined ? 0 : this.#progress.stalledMs(since);
  }

  line(bytes: Uint8Array): void | Promise<void> {
    this.#add("watch", bytes, undefined);
    return this.#room.wait();
  }

  item(bytes: Uint8Array): void | Promise<void> {
    this.#add("list", bytes, undefined);
    this.#listRoom.take(bytes.length);
    return this.#listRoom.wait() ?? this.#room.wait();
  }

  /** Has a pod's status derived again. Resolves with its frame once it took effect; undefined if there is none. Not bounded: callers limit themselves. */
  submit(bytes: Uint8Array): Promise<Buffer | undefined> {
    return new Promise((resolve) => this.#add("read", bytes, resolve));
  }

  get contradicted(): boolean {
    return this.#options.target.contradicted;
  }

  listStarted(setBack: boolean, resourceVersion: string | undefined): void {
    this.#controlOnce(() => {
      // What came before is of a history that there is no more.
      if (setBack) this.#commit.forgetVersion();
      this.#options.target.listStarted(setBack, resourceVersion);
    });
  }

  listFinished(resourceVersion: string): void {
    this.#control(this.#options.target.listFinished(resourceVersion));
  }

  /** Nothing follows from an incomplete list. */
  listAborted(): void {}

  settled(): Promise<string | undefined> {
    return new Promise((resolve) => this.#controlOnce(() => resolve(this.#commit.lastVersion)));
  }

  /** Stops: what is under way is dropped. */
  close(): void {
    this.#closed.abort();
    // Whoever waits for a line is not left waiting.
    for (const entry of this.#order) if (entry.kind === "batch") for (const done of entry.batch.waiters.values()) done(undefined);
  }

  #add(origin: Origin, bytes: Uint8Array, done: LineDone | undefined): void {
    const { clock, events } = this.#options;
    if (!this.#open?.fits(bytes.length)) this.#openBatch(bytes.length);
    const batch = this.#open;
    if (!batch) return;
    const uid = events.size > 0 ? peekUid(bytes) : undefined;
    if (done) batch.waiters.set(batch.lines.length, done);
    batch.add(origin, bytes, uid === undefined ? undefined : events.eventsOf(uid), clock.monotonic());
    this.#room.take(bytes.length);
    this.#planSend();
  }

  #openBatch(length: number): void {
    const batch = this.#buffers.batchFor(length);
    this.#open = batch;
    this.#ready.push(batch);
    this.#order.push({ kind: "batch", batch, result: undefined, next: 0 });
  }

  /** @param steps what is done when its turn has come. */
  #control(steps: Iterator<void>): void {
    // Lines that come later must not end up in a batch that stands before this.
    this.#open = undefined;
    this.#order.push({ kind: "control", steps });
    this.#planApply();
  }

  #controlOnce(run: () => void): void {
    this.#control({
      next() {
        run();
        return { done: true, value: undefined };
      },
    });
  }

  /** After the lines of one chunk, not after each: they travel together. */
  #planSend(): void {
    if (this.#sendPlanned) return;
    this.#sendPlanned = true;
    queueMicrotask(() => {
      this.#sendPlanned = false;
      this.#send();
    });
  }

  #send(): void {
    const { capacity } = this.#options.pool;
    let derived = false;
    // Results that wait for the one at the head keep their buffers: with too many of them, lines gather in the open one.
    while (this.#running < capacity && !this.#runs.busy && this.#order.length - this.#ready.length < capacity * maxAhead) {
      const batch = this.#ready.shift();
      if (!batch) break;
      if (batch === this.#open) this.#open = undefined;
      const result = this.#closed.signal.aborted ? undefined : this.#atOnce.derive(batch, this.#running === 0);
      if (result) {
        this.#options.hooks.atOnce(batch.lines.length);
        this.#came(batch, result);
        derived = true;
        continue;
      }
      this.#running++;
      this.#runs.run(batch).then(
        (result) => this.#finish(batch, result),
        // Only a closed pipeline gives a batch up.
        () => this.#finish(batch, undefined),
      );
    }
    if (derived && !this.#applyPlanned) this.#apply();
  }

  #finish(batch: Batch, result: BatchResult | undefined): void {
    this.#running--;
    if (!result || this.#closed.signal.aborted) {
      for (const done of batch.waiters.values()) done(undefined);
      return;
    }
    this.#options.hooks.batch(batch.lines.length, result.busyMicros);
    this.#came(batch, result);
    this.#send();
    // Otherwise several batches that come back together would take a slice each, and the event loop its turn after all of them.
    if (!this.#applyPlanned) this.#apply();
  }

  #retried(batch: Batch): void {
    this.#options.hooks.retried();
    this.#atOnce.suspect(batch);
  }

  #came(batch: Batch, result: BatchResult): void {
    const entry = this.#order.find((candidate) => candidate.kind === "batch" && candidate.batch === batch);
    if (entry?.kind === "batch") entry.result = result;
  }

  #planApply(): void {
    if (this.#applyPlanned) return;
    this.#applyPlanned = true;
    setImmediate(() => {
      this.#applyPlanned = false;
      this.#apply();
    });
  }

  #apply(): void {
    this.#applyReady();
    // What was applied makes room for what waits.
    this.#send();
  }

  /** Applies what is ready at the head; gives the event loop its turn when that takes long. */
  #applyReady(): void {
    const until = this.#options.clock.monotonic() + this.#limits.sliceMs;
    for (let entry = this.#order[0]; entry && !this.#closed.signal.aborted; entry = this.#order[0]) {
      const done = entry.kind === "control" ? this.#applySteps(entry.steps, until) : this.#applyBatch(entry, until);
      if (!done) return;
      this.#order.shift();
    }
  }

  #applySteps(steps: Iterator<void>, until: number): boolean {
    while (steps.next().done !== true) if (!this.#inTime(until)) return false;
    return true;
  }

  #inTime(until: number): boolean {
    if (this.#progress.moved() <= until) return true;
    this.#planApply();
    return false;
  }

  /** False if the batch is not done: not back from its worker, or out of time. */
  #applyBatch(entry: Extract<Entry, { kind: "batch" }>, until: number): boolean {
    const { result, batch } = entry;
    if (!result) return false;
    while (entry.next < batch.lines.length) {
      if (!this.#inTime(until)) return false;
      const index = entry.next++;
      const line = result.results[index];
      if (line) this.#commit.line(batch, index, line, result.bytes);
    }
    this.#release(batch);
    return true;
  }

  #release(batch: Batch): void {
    this.#room.give(batch.bytes);
    this.#listRoom.give(batch.listBytes);
    this.#buffers.recycle(batch);
  }
}
