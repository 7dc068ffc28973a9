/** Results taking effect, one line after the other, and what follows from a line beyond its status. */
import type { Clock } from "../../domain/clock.ts";
import { messageOf } from "../../domain/errors.ts";
import type { Log } from "../../domain/log.ts";
import type { LineResult, Origin, PodEvent, SkippedResult, WorkspaceResult } from "../../domain/messages.ts";
import type { Batch } from "./batch.ts";
import { peekUid } from "./peek.ts";

/** Where results take effect. */
export interface PipelineTarget {
  /** Publications so far. */
  readonly sequence: number;
  /** Whether the last list shows the store to be set back (`ReflectorSink`). */
  readonly contradicted: boolean;
  /** Whether a status of this pod took effect, and it is there yet. */
  knows(uid: string): boolean;
  apply(result: LineResult, bytes: Uint8Array, origin: Origin): Buffer | undefined;
  listStarted(setBack: boolean, resourceVersion: string | undefined): void;
  /** Takes effect step by step: between them the event loop may get its turn, but nothing else is applied. */
  listFinished(resourceVersion: string): Iterator<void>;
}

/** Told about by the pipeline, for metrics. */
export interface PipelineHooks {
  /** A batch of so many lines came back, on which its worker spent so many microseconds. */
  batch(lines: number, busyMicros: number): void;
  /** So many lines were derived in this thread. */
  atOnce(lines: number): void;
  /** A line of the watch led to a publication, so long (ms) after it arrived. */
  published(ms: number): void;
  /** A worker died or hung, and its batch is done again. */
  retried(): void;
  /** A line of the watch could not be read: what it says of this pod has to be learned in another way. */
  unreadable(uid: string): void;
  /** A status was derived without Events that have come meanwhile: it must be derived again. */
  outdated(uid: string): void;
}

/** What committing lines takes. */
export interface CommitOptions {
  readonly target: PipelineTarget;
  /** Events known of a pod; `size` says whether there are any at all. */
  readonly events: { readonly size: number; eventsOf(uid: string): readonly PodEvent[] | undefined };
  readonly clock: Clock;
  readonly log: Log;
  readonly hooks: PipelineHooks;
}

/** Commits lines in the order in which it is called. */
export class LineCommit {
  readonly #options: CommitOptions;
  #lastVersion: string | undefined;

  constructor(options: CommitOptions) {
    this.#options = options;
  }

  /** The resourceVersion of the last line of the watch that took effect. */
  get lastVersion(): string | undefined {
    return this.#lastVersion;
  }

  /** What came before is of a history that there is no more. */
  forgetVersion(): void {
    this.#lastVersion = undefined;
  }

  /** A line's result takes effect; whoever waits for it is told. */
  line(batch: Batch, index: number, line: LineResult, bytes: Uint8Array): void {
    const { clock, target, hooks } = this.#options;
    const origin = batch.origins[index] ?? "read";
    const before = target.sequence;
    const frame = this.#tryApply(line, bytes, origin);
    if (origin === "watch") {
      // A pod that was read by itself may be newer than the watch: going on from there would skip what lies between.
      if (line.resourceVersion !== "") this.#lastVersion = line.resourceVersion;
      if (target.sequence !== before) hooks.published(clock.monotonic() - (batch.arrivals[index] ?? 0));
    }
    if (line.kind === "workspace") this.#checkEvents(line, batch.lines[index]?.events);
    else if (origin === "watch") this.#checkRead(line, batch, index);
    batch.waiters.get(index)?.(frame);
  }

  #checkRead({ uid }: SkippedResult, batch: Batch, index: number): void {
    const peeked = uid === "" ? peekUid(batch.bytesOf(index)) : undefined;
    if (peeked !== undefined) this.#options.hooks.unreadable(peeked);
  }

  /** Lists of Events are replaced as a whole, never changed. */
  #checkEvents({ uid, held }: WorkspaceResult, used: readonly PodEvent[] | undefined): void {
    const { events, hooks } = this.#options;
    if (held && events.eventsOf(uid) !== used) hooks.outdated(uid);
  }

  /** One pod's trouble stays its own, even if it is a bug of ours. */
  #tryApply(line: LineResult, bytes: Uint8Array, origin: Origin): Buffer | undefined {
    try {
      return this.#options.target.apply(line, bytes, origin);
    } catch (error) {
      this.#options.log.error({ error: messageOf(error), uid: line.uid }, "a result could not be applied");
      return undefined;
    }
  }
}
