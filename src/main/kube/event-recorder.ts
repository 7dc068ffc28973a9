/** Kubernetes Events on workspace pods: what was done to them and why, for `kubectl describe`. Best effort, bounded, and nobody waits for it (spec: lifecycle). */
import { deadline, type Clock } from "../../domain/clock.ts";
import { messageOf } from "../../domain/errors.ts";
import type { Log } from "../../domain/log.ts";
import { publicText } from "../../domain/redact.ts";
import { TokenBucket } from "../../domain/token-bucket.ts";
import { KubeError } from "./errors.ts";
import { isMissing, type KubeObjects, type Wish } from "./objects.ts";

/** What happened to a pod. */
export interface PodEvent {
  readonly podName: string;
  readonly uid: string;
  /** Warning: somebody may have to do something about it. */
  readonly type: "Normal" | "Warning";
  /** One word in CamelCase, of few different ones: "TimedOut". Never one of those that the status depends on (eventReasons). */
  readonly reason: string;
  /** For people, of at most 1,024 bytes; more is cut off. Secrets have no place in it; URLs lose their queries, for safety's sake. */
  readonly message: string;
}

/** What became of an Event: written (a repeat that only counts up included), or dropped at a bound, or because the API server did not take it. */
export type EventOutcome = "written" | "dropped_rate" | "dropped_queue" | "failed";

/** Bounds. */
export interface EventLimits {
  /** Events of one pod at once, and one more in so many milliseconds. */
  readonly podBurst: number;
  readonly podIntervalMs: number;
  /** The same of all pods together. */
  readonly burst: number;
  readonly intervalMs: number;
  /** Events that wait to be written. */
  readonly maxWaiting: number;
  /** Pods whose Events are remembered, and Events of each. */
  readonly maxPods: number;
  readonly maxPerPod: number;
}

/** What it works with. */
export interface EventRecorderOptions {
  /** False: does nothing at all (wsmand.events.enabled). */
  readonly enabled: boolean;
  readonly objects: Pick<KubeObjects, "create" | "merge">;
  readonly namespace: string;
  /** Which of the replicas says it. */
  readonly instance: string;
  readonly onOutcome?: (outcome: EventOutcome, count: number) => void;
  readonly limits?: Partial<EventLimits>;
  readonly clock: Clock;
  /** Uniform in [0, 1): names must differ. */
  readonly random: () => number;
  readonly log: Log;
}

const defaults: EventLimits = { podBurst: 25, podIntervalMs: 60_000, burst: 200, intervalMs: 20, maxWaiting: 1_000, maxPods: 10_000, maxPerPod: 16 };
/** The name that the Go daemon signs with. */
const component = "ws-manager";
/** Requests at once. */
const atOnce = 4;
/** The same again within this time counts up the Event that there is, milliseconds: as long as client-go does it. */
const repeatMs = 600_000;
/** So long nothing is tried after a refusal for good, milliseconds. */
const restMs = 60_000;
/** Failures are logged no more often than this, milliseconds. */
const tellEveryMs = 300_000;
const maxMessageBytes = 1024;

/** An Event that was written. */
interface Written {
  readonly name: string;
  readonly first: number;
  last: number;
  count: number;
}

interface Pod {
  readonly bucket: TokenBucket;
  /** By what they say. */
  readonly written: Map<string, Written>;
}

/** An Event that waits, with what came again meanwhile. */
interface Waiting {
  readonly key: string;
  readonly event: PodEvent;
  readonly first: number;
  last: number;
  count: number;
}

/** Writes Events. */
export class EventRecorder {
  readonly #options: EventRecorderOptions;
  readonly #limits: EventLimits;
  readonly #bucket: TokenBucket;
  /** By uid, the one that nothing happened to for longest first. */
  readonly #pods = new Map<string, Pod>();
  readonly #waiting = new Map<string, Waiting>();
  readonly #underWay = new Map<string, Promise<void>>();
  readonly #ending = new AbortController();
  #restUntil = Number.NEGATIVE_INFINITY;
  #toldAt = Number.NEGATIVE_INFINITY;

  constructor(options: EventRecorderOptions) {
    this.#options = options;
    this.#limits = { ...defaults, ...options.limits };
    this.#bucket = new TokenBucket(this.#limits.burst, this.#limits.intervalMs, options.clock.monotonic());
  }

  /** Events that wait to be written. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Notes what happened; it is written some time later, if it can be. Never throws. */
  record(event: PodEvent): void {
    const { enabled, clock } = this.#options;
    if (!enabled || this.#ending.signal.aborted) return;
    const clean = { ...event, message: publicText(event.message, maxMessageBytes) };
    const key = JSON.stringify([clean.uid, clean.type, clean.reason, clean.message]);
    const now = clock.now();
    const same = this.#waiting.get(key);
    if (same) {
      same.count++;
      same.last = now;
      return;
    }
    if (!this.#mayGo(clean.uid)) return this.#tell("dropped_rate", 1);
    if (this.#waiting.size >= this.#limits.maxWaiting) return this.#tell("dropped_queue", 1);
    this.#waiting.set(key, { key, event: clean, first: now, last: now, count: 1 });
    this.#work();
  }

  /** The pod is gone: nothing is remembered of it. What waits is written still. */
  forget(uid: string): void {
    this.#pods.delete(uid);
  }

  /** Writes what waits, for so long at most, milliseconds; then nothing is written any more. */
  async close(withinMs: number): Promise<void> {
    const limit = deadline(this.#options.clock, withinMs, this.#ending.signal);
    limit.signal.addEventListener("abort", () => this.#ending.abort(), { once: true });
    while (this.#underWay.size > 0) await Promise.race(this.#underWay.values());
    limit.cancel();
    this.#ending.abort();
  }

  #mayGo(uid: string): boolean {
    const now = this.#options.clock.monotonic();
    const { bucket } = this.#podOf(uid, now);
    if (bucket.fill(now) < 1 || this.#bucket.fill(now) < 1) return false;
    bucket.take();
    this.#bucket.take();
    return true;
  }

  #podOf(uid: string, now: number): Pod {
    const { podBurst, podIntervalMs, maxPods } = this.#limits;
    const pod = this.#pods.get(uid) ?? { bucket: new TokenBucket(podBurst, podIntervalMs, now), written: new Map<string, Written>() };
    this.#pods.delete(uid);
    this.#pods.set(uid, pod);
    dropFirst(this.#pods, maxPods);
    return pod;
  }

  /** Has as many written at once as may be; those that say the same one after the other. */
  #work(): void {
    for (const [key, waiting] of this.#waiting) {
      if (this.#underWay.size >= atOnce) return;
      if (this.#underWay.has(key)) continue;
      this.#waiting.delete(key);
      const writing = this.#write(waiting).finally(() => {
        this.#underWay.delete(key);
        this.#work();
      });
      this.#underWay.set(key, writing);
    }
  }

  /** Never rejects. */
  async #write(waiting: Waiting): Promise<void> {
    const { clock } = this.#options;
    if (this.#ending.signal.aborted || clock.monotonic() < this.#restUntil) return this.#tell("failed", waiting.count);
    try {
      await this.#send(waiting, this.#pods.get(waiting.event.uid)?.written);
      this.#tell("written", waiting.count);
    } catch (error) {
      this.#failed(error);
      this.#tell("failed", waiting.count);
    }
  }

  async #send(waiting: Waiting, written: Map<string, Written> | undefined): Promise<void> {
    const { objects } = this.#options;
    const before = written?.get(waiting.key);
    if (before && waiting.last - before.last < repeatMs && (await this.#countUp(before, waiting))) return;
    const { random } = this.#options;
    const { event, first, last, count } = waiting;
    const name = `${event.podName.slice(0, 230)}.${hex(random)}${hex(random)}`;
    // The name is ours alone: what was made by a request without an answer is not made twice.
    await objects.create("events", JSON.stringify(this.#object(name, waiting)), this.#wish, { whetherOrNotAnswered: true }).catch((error: unknown) => {
      if (!(error instanceof KubeError && error.reason === "AlreadyExists")) throw error;
    });
    written?.delete(waiting.key);
    written?.set(waiting.key, { name, first, last, count });
    if (written) dropFirst(written, this.#limits.maxPerPod);
  }

  /** False: the Event is gone, as they are after an hour. */
  async #countUp(before: Written, { last, count }: Waiting): Promise<boolean> {
    try {
      await this.#options.objects.merge(`events/${encodeURIComponent(before.name)}`, { count: before.count + count, lastTimestamp: seconds(last) }, this.#wish);
    } catch (error) {
      if (isMissing(error)) return false;
      throw error;
    }
    before.count += count;
    before.last = last;
    return true;
  }

  get #wish(): Wish {
    return { priority: "events", signal: this.#ending.signal };
  }

  #object(name: string, { event, first, last, count }: Waiting): object {
    const { namespace, instance } = this.#options;
    return {
      apiVersion: "v1",
      kind: "Event",
      metadata: { name, namespace },
      involvedObject: { apiVersion: "v1", kind: "Pod", namespace, name: event.podName, uid: event.uid },
      type: event.type,
      reason: event.reason,
      message: event.message,
      count,
      firstTimestamp: seconds(first),
      lastTimestamp: seconds(last),
      source: { component },
      reportingComponent: component,
      reportingInstance: instance.slice(0, 128),
    };
  }

  #failed(error: unknown): void {
    const { clock, log } = this.#options;
    if (this.#ending.signal.aborted) return;
    const now = clock.monotonic();
    // Not allowed, or no such namespace: it would be the same for all others.
    if (error instanceof KubeError && (error.status === 403 || error.status === 404)) this.#restUntil = now + restMs;
    if (now - this.#toldAt < tellEveryMs) return;
    this.#toldAt = now;
    log.warn({ error: messageOf(error) }, "a Kubernetes Event could not be written; it is left out");
  }

  #tell(outcome: EventOutcome, count: number): void {
    this.#options.onOutcome?.(outcome, count);
  }
}

/** Takes out the oldest ones above the bound. */
function dropFirst(map: Map<string, unknown>, bound: number): void {
  for (const key of map.keys()) {
    if (map.size <= bound) return;
    map.delete(key);
  }
}

/** A time as Kubernetes' Time, of whole seconds. */
function seconds(unixMs: number): string {
  return `${new Date(unixMs).toISOString().slice(0, 19)}Z`;
}

/** Eight hexadecimal digits. */
function hex(random: () => number): string {
  return Math.floor(random() * 2 ** 32).toString(16).padStart(8, "0");
}
