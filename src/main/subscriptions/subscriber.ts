/** One subscriber: a coalescing queue with at most one pending status per workspace (and those that must not be lost), one stream. */
import type { WorkspaceRecord } from "../state/registry.ts";
import type { Update } from "../state/store.ts";
import { matches, type Filter } from "../state/filter.ts";
import type { EndReason, SubscriberStream } from "./stream.ts";

/** Where initial states come from. */
export interface InitialState {
  /** All records, live. */
  records(): MapIterator<WorkspaceRecord>;
  /** Publications so far: what is published later reaches the subscriber as a change. */
  readonly sequence: number;
  /** The record's frame, from memory if it is there. Undefined: the workspace is gone, a change tells so. */
  frame(record: WorkspaceRecord): Buffer | Promise<Buffer | undefined>;
}

/** What waits for a workspace: frames that must be sent, and the newest one that may still be replaced. */
interface Pending {
  readonly kept: Buffer[];
  latest: Buffer | undefined;
}

/** Told about by the subscriber. */
export interface SubscriberHooks {
  coalesced(): void;
  sent(): void;
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
  #initial: { readonly source: InitialState; readonly since: number; readonly cursor: MapIterator<WorkspaceRecord> } | undefined;
  /** Nothing may be written: the stream's buffer is full, or the next frame is still being rebuilt. */
  #full = false;
  #waitsForFrame = false;
  #ended = false;
  /** When the stream last took something, or had nothing to take; monotonic ms. Read by the hub's sweep. */
  #aliveAt: number;

  constructor(filter: Filter, client: string, stream: SubscriberStream, hooks: SubscriberHooks, now: number) {
    this.filter = filter;
    this.client = client;
    this.#stream = stream;
    this.#hooks = hooks;
    this.#aliveAt = now;
  }

  /** Statuses that wait for this subscriber. */
  get backlog(): number {
    return this.#pending.size;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Sends the current statuses of all matching workspaces first; what changes meanwhile comes as a change. */
  startInitialState(source: InitialState): void {
    this.#initial = { source, since: source.sequence, cursor: source.records() };
    this.#pump();
  }

  /** A matching status was published. */
  offer(update: Update): void {
    if (this.#ended) return;
    if (this.#full || this.#pending.size > 0) this.#enqueue(update);
    else this.#write(update.frame);
  }

  drained(now: number): void {
    this.#full = false;
    this.#aliveAt = now;
    this.#pump();
  }

  /** Whether its stream was full for `timeout` ms without a drain. A wait of ours, for an evicted frame, does not count. */
  stalled(now: number, timeout: number): boolean {
    if (!this.#full || this.#waitsForFrame) this.#aliveAt = now;
    return now - this.#aliveAt >= timeout;
  }

  /** Ends the stream; what waits is dropped, except at shutdown, where it is flushed first. */
  end(reason: EndReason): void {
    if (this.#ended) return;
    if (reason === "shutdown") this.#flush();
    this.release();
    this.#stream.end(reason);
  }

  /** Forgets everything; nothing is written any more. */
  release(): void {
    this.#ended = true;
    this.#pending.clear();
    this.#initial = undefined;
  }

  #enqueue(update: Update): void {
    const { id } = update.facts;
    const waiting = this.#pending.get(id);
    if (!waiting) {
      this.#pending.set(id, update.keep ? { kept: [update.frame], latest: undefined } : { kept: [], latest: update.frame });
      return;
    }
    if (waiting.latest) this.#hooks.coalesced();
    if (update.keep) {
      // The frame that must stay overtakes the one that may go, which is older: it says nothing that this one does not.
      waiting.latest = undefined;
      if (waiting.kept.length === maxKept) waiting.kept.splice(1, 1);
      waiting.kept.push(update.frame);
    } else {
      waiting.latest = update.frame;
    }
  }

  #pump(): void {
    while (!this.#full && !this.#ended && this.#pending.size > 0) this.#writeFirst();
    if (this.#initial && !this.#full && !this.#ended) this.#pumpInitial();
  }

  #writeFirst(): void {
    const [first] = this.#pending;
    if (!first) return;
    const [id, waiting] = first;
    const frame = waiting.kept.shift() ?? waiting.latest;
    if (waiting.kept.length === 0 && (waiting.latest === undefined || waiting.latest === frame)) this.#pending.delete(id);
    if (frame) this.#write(frame);
  }

  #pumpInitial(): void {
    while (this.#initial && !this.#full && !this.#ended) {
      const { source, since, cursor } = this.#initial;
      const next = cursor.next();
      if (next.done === true) {
        this.#initial = undefined;
        return;
      }
      // One published since then came, or waits, as a change.
      if (next.value.sequence > since || !matches(this.filter, next.value.facts)) continue;
      const frame = source.frame(next.value);
      if (!Buffer.isBuffer(frame)) {
        this.#waitForInitial(next.value, since, frame);
        return;
      }
      this.#write(frame);
    }
  }

  /** An evicted frame is on its way: changes wait until it is here, so that nothing overtakes it. */
  #waitForInitial(record: WorkspaceRecord, since: number, frame: Promise<Buffer | undefined>): void {
    this.#full = true;
    this.#waitsForFrame = true;
    const resume = (found: Buffer | undefined): void => {
      this.#full = false;
      this.#waitsForFrame = false;
      if (this.#ended) return;
      if (found && record.sequence <= since) this.#write(found);
      if (!this.#full) this.#pump();
    };
    frame.then(resume, () => resume(undefined));
  }

  #write(frame: Buffer): void {
    this.#hooks.sent();
    if (!this.#stream.write(frame)) this.#full = true;
  }

  #flush(): void {
    for (const waiting of this.#pending.values()) {
      for (const frame of waiting.kept) this.#stream.write(frame);
      if (waiting.latest) this.#stream.write(waiting.latest);
    }
  }
}
