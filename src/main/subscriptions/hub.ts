/** The hub: who wants which statuses. Subscribers are indexed by owner, else by meta ID; a publish visits those of its owner and meta ID, and those that named neither. */
import type { Clock } from "../../domain/clock.ts";
import type { Update } from "../state/hooks.ts";
import { matches, type Filter } from "../state/filter.ts";
import { WsmanError } from "../../domain/errors.ts";
import type { EndReason, SubscribeOptions, SubscriberStream, Subscription } from "./stream.ts";
import { Subscriber, type InitialState, type SubscriberHooks } from "./subscriber.ts";

/** Bounds of the hub. */
export interface HubLimits {
  /** A subscriber whose stream is full for so long (ms) is ended. */
  readonly stallTimeoutMs: number;
  /** Statuses that may wait for all subscribers together; above, those with the longest queues are ended. */
  readonly maxBacklog: number;
}

/** Told about by the hub, for metrics and logs. */
export interface HubHooks {
  /** An undelivered status was replaced by a newer one. */
  coalesced(): void;
  ended(client: string, reason: EndReason): void;
}

/** Holds all subscribers, indexed by what their filters demand. */
export class Hub {
  readonly #all = new Set<Subscriber>();
  readonly #byOwner = new Map<string, Set<Subscriber>>();
  readonly #byMetaId = new Map<string, Set<Subscriber>>();
  readonly #others = new Set<Subscriber>();
  readonly #clock: Clock;
  readonly #limits: HubLimits;
  readonly #hooks: HubHooks;
  readonly #initial: InitialState;
  readonly #subscriberHooks: SubscriberHooks;
  /** Frames that wait for all subscribers together. */
  #backlog = 0;
  #closed: Promise<void> | undefined;
  /** Runs while there may be streams that are full. */
  #cancelSweep: (() => void) | undefined;

  constructor(options: { clock: Clock; limits: HubLimits; hooks: HubHooks; initial: InitialState }) {
    this.#clock = options.clock;
    this.#limits = options.limits;
    this.#hooks = options.hooks;
    this.#initial = options.initial;
    this.#subscriberHooks = {
      coalesced: () => this.#hooks.coalesced(),
      queued: (change) => {
        this.#backlog += change;
      },
      filled: () => {
        this.#scheduleSweep();
        return this.#clock.monotonic();
      },
    };
  }

  get size(): number {
    return this.#all.size;
  }

  /** Pending statuses per subscriber, and for how long its stream has been full, milliseconds; 0 if it is not. */
  *levels(): Generator<{ client: string; pending: number; fullMs: number }> {
    const now = this.#clock.monotonic();
    for (const subscriber of this.#all) yield { client: subscriber.client, pending: subscriber.backlog, fullMs: subscriber.fullMs(now) };
  }

  /** Adds a subscriber; the first writes may happen before this returns. Throws a WsmanError (UNAVAILABLE) once it shuts down. */
  subscribe(filter: Filter, stream: SubscriberStream, options: SubscribeOptions): Subscription {
    if (this.#closed) throw new WsmanError("UNAVAILABLE", "the server is shutting down: subscribe again");
    const subscriber = new Subscriber(filter, options.client, stream, this.#subscriberHooks);
    this.#all.add(subscriber);
    this.#indexFor(filter).add(subscriber);
    if (options.initialState) subscriber.startInitialState(this.#initial, () => this.#end(subscriber, "unavailable"));
    return {
      drained: () => subscriber.drained(),
      closed: () => this.#remove(subscriber),
    };
  }

  /** Hands a published status to everyone who wants it. */
  publish(update: Update): void {
    this.#offer(this.#byOwner.get(update.facts.owner), update);
    this.#offer(this.#byMetaId.get(update.facts.metaId), update);
    this.#offer(this.#others, update);
    while (this.#backlog > this.#limits.maxBacklog && this.#endLongest());
  }

  /** Takes no more subscribers, and ends each stream when it has taken what waits for it; after `withinMs` whether or not it has. Resolves then. Idempotent. */
  shutdown(withinMs: number): Promise<void> {
    this.#closed ??= this.#shutDown(withinMs);
    return this.#closed;
  }

  async #shutDown(withinMs: number): Promise<void> {
    this.#cancelSweep?.();
    const late = Promise.withResolvers<void>();
    const cancel = this.#clock.timer(withinMs, () => late.resolve());
    const flushed = Array.from(this.#all, (subscriber) => {
      this.#hooks.ended(subscriber.client, "shutdown");
      return new Promise<void>((resolve) => subscriber.flush(resolve));
    });
    await Promise.race([Promise.all(flushed), late.promise]);
    cancel();
    for (const subscriber of this.#all) subscriber.end("shutdown");
  }

  #offer(subscribers: Set<Subscriber> | undefined, update: Update): void {
    if (!subscribers) return;
    for (const subscriber of subscribers) if (matches(subscriber.filter, update.facts)) subscriber.offer(update);
  }

  #indexFor(filter: Filter): Set<Subscriber> {
    if (filter.owner !== "") return setIn(this.#byOwner, filter.owner);
    if (filter.metaId !== "") return setIn(this.#byMetaId, filter.metaId);
    return this.#others;
  }

  #remove(subscriber: Subscriber): void {
    subscriber.release();
    if (!this.#all.delete(subscriber)) return;
    const { filter } = subscriber;
    const index = this.#indexFor(filter);
    index.delete(subscriber);
    if (index.size > 0) return;
    if (filter.owner !== "") this.#byOwner.delete(filter.owner);
    else if (filter.metaId !== "") this.#byMetaId.delete(filter.metaId);
  }

  #end(subscriber: Subscriber, reason: EndReason): void {
    this.#hooks.ended(subscriber.client, reason);
    subscriber.end(reason);
    this.#remove(subscriber);
  }

  #scheduleSweep(): void {
    if (this.#cancelSweep || this.#closed) return;
    const interval = Math.min(1000, Math.max(10, this.#limits.stallTimeoutMs / 10));
    this.#cancelSweep = this.#clock.timer(interval, () => {
      this.#cancelSweep = undefined;
      this.#sweep();
    });
  }

  #sweep(): void {
    const now = this.#clock.monotonic();
    for (const subscriber of this.#all) if (subscriber.stalled(now, this.#limits.stallTimeoutMs)) this.#end(subscriber, "stalled");
    for (const subscriber of this.#all) if (subscriber.full) return this.#scheduleSweep();
  }

  #endLongest(): boolean {
    let longest: Subscriber | undefined;
    for (const subscriber of this.#all) if (subscriber.backlog > (longest?.backlog ?? 0)) longest = subscriber;
    if (longest) this.#end(longest, "overflow");
    return longest !== undefined;
  }
}

function setIn<K>(map: Map<K, Set<Subscriber>>, key: K): Set<Subscriber> {
  let set = map.get(key);
  if (!set) {
    set = new Set();
    map.set(key, set);
  }
  return set;
}
