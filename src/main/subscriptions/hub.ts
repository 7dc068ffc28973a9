/** The hub: who wants which statuses. A publish costs what the subscribers that match it cost, not what all cost. */
import type { Clock } from "../../domain/clock.ts";
import type { Update } from "../state/store.ts";
import { matches, type Filter } from "../state/filter.ts";
import type { EndReason, SubscriberStream, Subscription } from "./stream.ts";
import { Subscriber, type InitialState, type SubscriberHooks } from "./subscriber.ts";

/** Bounds of the hub. */
export interface HubLimits {
  /** A subscriber that takes nothing for so long (ms) while something waits is ended. */
  readonly stallTimeoutMs: number;
  /** Statuses that may wait for all subscribers together; above, the one with the longest queue is ended. */
  readonly maxBacklog: number;
}

/** Told about by the hub, for metrics and logs. */
export interface HubHooks extends SubscriberHooks {
  ended(client: string, reason: EndReason): void;
}

/** How a client subscribes. */
export interface SubscribeOptions {
  readonly initialState: boolean;
  /** Names the subscriber in metrics: its address. */
  readonly client: string;
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
  #cancelSweep: () => void;

  constructor(options: { clock: Clock; limits: HubLimits; hooks: HubHooks; initial: InitialState }) {
    this.#clock = options.clock;
    this.#limits = options.limits;
    this.#hooks = options.hooks;
    this.#initial = options.initial;
    this.#cancelSweep = this.#scheduleSweep();
  }

  get size(): number {
    return this.#all.size;
  }

  /** Pending statuses per subscriber. */
  *levels(): Generator<{ client: string; pending: number }> {
    for (const subscriber of this.#all) yield { client: subscriber.client, pending: subscriber.backlog };
  }

  /** Adds a subscriber; the first writes may happen before this returns. */
  subscribe(filter: Filter, stream: SubscriberStream, options: SubscribeOptions): Subscription {
    const subscriber = new Subscriber(filter, options.client, stream, this.#hooks, this.#clock.monotonic());
    this.#all.add(subscriber);
    this.#indexFor(filter).add(subscriber);
    if (options.initialState) subscriber.startInitialState(this.#initial);
    return {
      drained: () => subscriber.drained(this.#clock.monotonic()),
      closed: () => this.#remove(subscriber),
    };
  }

  /** Hands a published status to everyone who wants it. */
  publish(update: Update): void {
    this.#offer(this.#byOwner.get(update.facts.owner), update);
    this.#offer(this.#byMetaId.get(update.facts.metaId), update);
    this.#offer(this.#others, update);
  }

  /** Ends all streams, after flushing what waits. */
  shutdown(): void {
    this.#cancelSweep();
    for (const subscriber of this.#all) this.#end(subscriber, "shutdown");
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

  #scheduleSweep(): () => void {
    const interval = Math.min(1000, Math.max(10, this.#limits.stallTimeoutMs / 10));
    return this.#clock.timer(interval, () => {
      this.#sweep();
      this.#cancelSweep = this.#scheduleSweep();
    });
  }

  #sweep(): void {
    const now = this.#clock.monotonic();
    let total = 0;
    let longest: Subscriber | undefined;
    for (const subscriber of this.#all) {
      if (subscriber.stalled(now, this.#limits.stallTimeoutMs)) {
        this.#end(subscriber, "stalled");
        continue;
      }
      total += subscriber.backlog;
      if (!longest || subscriber.backlog > longest.backlog) longest = subscriber;
    }
    if (longest && total > this.#limits.maxBacklog) this.#end(longest, "overflow");
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
