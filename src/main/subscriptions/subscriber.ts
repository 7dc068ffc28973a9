/** One subscriber: a coalescing queue with at most one pending status per workspace (and those that must not be lost), one stream. */
import type { WorkspaceRecord } from "../state/registry.ts";
import type { Update } from "../state/hooks.ts";
import { matches, type Filter } from "../state/filter.ts";
import type { EndReason, SubscriberStream } from "./stream.ts";

/** Where initial states come from. */
export interface InitialState {
  /** One record of each workspace, live: of two pods of which one takes the other's place, one of the two. */
  workspaces(): MapIterator<WorkspaceRecord>;
  /** The workspace's record now, maybe of another pod than before; undefined if it is gone. */
  workspace(id: string): WorkspaceRecord | undefined;
  /** Publications so far: what is published later reaches the subscriber as a change. */
  readonly sequence: number;
  /** The frame of the record's workspace, from memory if it is there. Undefined: it has ended, or is about to, and a change tells so. */
  frame(record: WorkspaceRecord): Buffer | Promise<Buffer | undefined>;
}

/** An initial state that is being sent. */
interface Initial {
  readonly source: InitialState;
  /** Publications when it was begun. */
  readonly since: number;
  readonly cursor: MapIterator<WorkspaceRecord>;
  readonly failed: () => void;
}

/** What waits for a workspace: frames that must be sent, and the newest one that may still be replaced. */
interface Pending {
  readonly kept: Buffer[];
  latest: Buffer | undefined;
}

/** Told about by the subscriber. */
export interface SubscriberHooks {
  coalesced(): void;
  /** So many frames more wait for it, or fewer. */
  queued(change: number): void;
  /** Its stream is full. Gives the time, monotonic milliseconds. */
  filled(): number;
}

/** `failed` texts of one workspace that wait at the same time; more than that is noise, and the oldest but one goes. */
const maxKept = 8;

/** Delivers updates in order per workspace, as fast as the stream takes them and not faster. */
export class Subscriber {
  readonly filter: Filter;
  readonly client: string;
  readonly #stream: SubscriberStream;
  readonly #hooks: SubscriberHooks;
  readonly #pending = new Map<string, Pending>();
  /** Walks over #pending, behind all that was sent; undefined: from its beginning. What is added is walked over, too. */
  #cursor: MapIterator<[string, Pending]> | undefined;
  /** The workspace whose frames are being sent. */
  #current: [string, Pending] | undefined;
  #frames = 0;
  #initial: Initial | undefined;
  /** The stream's buffer is full. */
  #full = false;
  /** The next frame of the initial state is still being rebuilt. */
  #waitsForFrame = false;
  #state: "open" | "flushing" | "ended" = "open";
  #flushed: (() => void) | undefined;
  /** Since when it is full, monotonic ms. Read by the hub's sweep. */
  #fullSince = 0;

  constructor(filter: Filter, client: string, stream: SubscriberStream, hooks: SubscriberHooks) {
    this.filter = filter;
    this.client = client;
    this.#stream = stream;
    this.#hooks = hooks;
  }

  /** Frames that wait for this subscriber. */
  get backlog(): number {
    return this.#frames;
  }

  /** Sends the current statuses of all matching workspaces first; what changes meanwhile comes as a change. `failed`: one of them can not be had. */
  startInitialState(source: InitialState, failed: () => void): void {
    this.#initial = { source, since: source.sequence, cursor: source.workspaces(), failed };
    this.#pump();
  }

  /** A matching status was published. */
  offer(update: Update): void {
    if (this.#state !== "open") return;
    if (this.#blocked || this.#frames > 0) this.#enqueue(update);
    else this.#write(update.frame);
  }

  drained(): void {
    this.#full = false;
    this.#pump();
  }

  /** Whether its stream takes nothing more. */
  get full(): boolean {
    return this.#full;
  }

  /** For how long its stream has been full without a drain, ms. A wait of ours, for an evicted frame, does not count. */
  fullMs(now: number): number {
    return this.#full ? now - this.#fullSince : 0;
  }

  /** Whether its stream was full for `timeout` ms without a drain. */
  stalled(now: number, timeout: number): boolean {
    return this.#full && now - this.#fullSince >= timeout;
  }

  /** Ends the stream at once; what waits is dropped. */
  end(reason: EndReason): void {
    if (this.#state === "ended") return;
    this.release();
    this.#stream.end(reason);
  }

  /** Takes no more updates, and ends the stream when it has taken what waits. `flushed` is called then, or when the stream has gone. */
  flush(flushed: () => void): void {
    if (this.#state !== "open") return flushed();
    this.#state = "flushing";
    this.#flushed = flushed;
    this.#initial = undefined;
    this.#waitsForFrame = false;
    return this.#pump();
  }

  /** Forgets everything; nothing is written any more. */
  release(): void {
    this.#state = "ended";
    this.#flushed?.();
    this.#flushed = undefined;
    this.#pending.clear();
    this.#count(-this.#frames);
    this.#cursor = undefined;
    this.#current = undefined;
    this.#initial = undefined;
  }

  get #blocked(): boolean {
    return this.#full || this.#waitsForFrame;
  }

  #enqueue(update: Update): void {
    const { id } = update.facts;
    const waiting = this.#pending.get(id);
    if (!waiting) {
      this.#pending.set(id, update.keep ? { kept: [update.frame], latest: undefined } : { kept: [], latest: update.frame });
      this.#count(1);
      return;
    }
    const before = framesOf(waiting);
    if (waiting.latest) this.#hooks.coalesced();
    if (update.keep) {
      // The frame that must stay overtakes the one that may go, which is older: it says nothing that this one does not.
      waiting.latest = undefined;
      if (waiting.kept.length === maxKept) waiting.kept.splice(1, 1);
      waiting.kept.push(update.frame);
    } else {
      waiting.latest = update.frame;
    }
    this.#count(framesOf(waiting) - before);
  }

  #count(change: number): void {
    if (change === 0) return;
    this.#frames += change;
    this.#hooks.queued(change);
  }

  #pump(): void {
    while (!this.#blocked && this.#state !== "ended" && this.#writeNext());
    if (this.#blocked || this.#state === "ended") return;
    if (this.#state === "flushing") this.end("shutdown");
    else if (this.#initial) this.#pumpInitial();
  }

  /** Writes a frame of those that wait. False: none does. */
  #writeNext(): boolean {
    const current = (this.#current ??= this.#nextPending());
    if (!current) return false;
    const [id, waiting] = current;
    const frame = waiting.kept.shift() ?? waiting.latest;
    if (frame === waiting.latest) waiting.latest = undefined;
    if (framesOf(waiting) === 0) {
      this.#pending.delete(id);
      this.#current = undefined;
    }
    this.#count(-1);
    if (frame) this.#write(frame);
    return true;
  }

  #nextPending(): [string, Pending] | undefined {
    if (this.#pending.size === 0) return undefined;
    this.#cursor ??= this.#pending.entries();
    const next = this.#cursor.next();
    if (next.done !== true) return next.value;
    this.#cursor = this.#pending.entries();
    return this.#cursor.next().value;
  }

  #pumpInitial(): void {
    while (this.#initial && !this.#blocked && this.#state === "open") {
      const next = this.#initial.cursor.next();
      if (next.done === true) {
        this.#initial = undefined;
        this.#stream.initialSent?.();
        return;
      }
      this.#writeInitial(next.value, this.#initial);
    }
  }

  #writeInitial(record: WorkspaceRecord, { source, since }: Initial): void {
    // One published since then came, or waits, as a change.
    if (record.sequence > since || !matches(this.filter, record.facts)) return;
    const frame = source.frame(record);
    if (Buffer.isBuffer(frame)) this.#write(frame);
    else this.#waitForInitial(record.facts.id, frame);
  }

  /** An evicted frame is on its way: changes wait until it is here, so that nothing overtakes it. */
  #waitForInitial(id: string, frame: Promise<Buffer | undefined>): void {
    this.#waitsForFrame = true;
    const resume = (found: Buffer | undefined): void => {
      this.#waitsForFrame = false;
      if (this.#initial) this.#writeRebuilt(id, found, this.#initial);
      this.#pump();
    };
    const failed = (): void => {
      this.#waitsForFrame = false;
      // Whoever got a part of the state would take the rest for gone.
      this.#initial?.failed();
    };
    frame.then(resume, failed);
  }

  #writeRebuilt(id: string, found: Buffer | undefined, { source, since }: Initial): void {
    const record = source.workspace(id);
    // A change that waits, or was for others, says as much or more, be it of another pod that has taken the first one's place.
    if (!found || !record || record.sequence > since || this.#pending.has(id)) return;
    this.#write(found);
  }

  #write(frame: Buffer): void {
    if (this.#stream.write(frame) || this.#full) return;
    this.#full = true;
    this.#fullSince = this.#hooks.filled();
  }
}

function framesOf({ kept, latest }: Pending): number {
  return kept.length + (latest ? 1 : 0);
}
