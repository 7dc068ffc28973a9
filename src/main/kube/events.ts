/** Kubernetes Events of pods, as far as statuses depend on them: few per pod, bounded in all, kept by watches that select them by reason. */
import { LRUCache } from "lru-cache";
import type { Clock } from "../../domain/clock.ts";
import { toPodEvents } from "../../domain/events.ts";
import type { Log } from "../../domain/log.ts";
import type { PodEvent } from "../../domain/messages.ts";
import type { EventReason } from "../../domain/names.ts";
import { compareVersions } from "../../domain/versions.ts";
import { KubeError } from "./errors.ts";
import { member, stringMember } from "./json.ts";
import type { ReflectorLimits } from "./limits.ts";
import type { ReflectorSink } from "./sink.ts";

/** Bounds of the store. */
export interface PodEventLimits {
  /** Events kept of a pod; the oldest goes. Default 8. */
  readonly eventsPerPod: number;
  /** Pods with events; the one not looked at for longest goes. Default 10,000. */
  readonly pods: number;
  /** An Event with more JSON than this, bytes, is skipped. Default 128 KiB. */
  readonly maxEventBytes: number;
  /** Messages are cut to this many characters; the API server allows 1,024. Default 4,096. */
  readonly maxMessage: number;
}

const defaults: PodEventLimits = { eventsPerPod: 8, pods: 10_000, maxEventBytes: 128 * 1024, maxMessage: 4096 };

/**
 * Limits for the reflectors of Events. API servers keep no watch cache for them and send no bookmarks, so silence is normal until the server ends the watch (after 310 s at most);
 * a connection that is dead is found by TCP keep-alive.
 */
export const eventWatchLimits: Partial<ReflectorLimits> = { silenceMs: 330_000 };

/** What the store needs. */
export interface PodEventStoreOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** The events of the pod with this uid are others now. Must not throw. */
  readonly onChange: (podUid: string) => void;
  readonly limits?: Partial<PodEventLimits>;
}

/** An Event with what finds it again. */
interface KeptEvent {
  /** metadata.uid of the Event. */
  readonly uid: string;
  readonly event: PodEvent;
  /** The newest version that says so. */
  resourceVersion: string;
}

/** An Event as it came. */
interface ReadEvent extends Readonly<KeptEvent> {
  readonly podUid: string;
}

/** The events of one pod; `list` is what is handed out, replaced as a whole. */
interface PodEntry {
  readonly kept: readonly KeptEvent[];
  readonly list: readonly PodEvent[];
}

/** Deleted Events of a reason that are remembered; their items in a list that was begun before are dropped. */
const maxGone = 5_000;

/** How long a pod of which an Event is kept out by bounds is not logged again, milliseconds. */
const logEveryMs = 60_000;

/** Parses Events on this thread: they are small, and rare by the watches' selectors. */
export class PodEventStore {
  readonly #options: PodEventStoreOptions;
  readonly #limits: PodEventLimits;
  readonly #pods: LRUCache<string, PodEntry>;
  #skipped = 0;
  #loggedAt = Number.NEGATIVE_INFINITY;

  constructor(options: PodEventStoreOptions) {
    this.#options = options;
    this.#limits = { ...defaults, ...options.limits };
    this.#pods = new LRUCache({ max: this.#limits.pods });
  }

  /** Pods with events. */
  get size(): number {
    return this.#pods.size;
  }

  /** Events that could not be read, and were skipped. */
  get skipped(): number {
    return this.#skipped;
  }

  /** Events of the pod with this uid, oldest first; undefined if there are none. The array does not change. */
  eventsOf(podUid: string): readonly PodEvent[] | undefined {
    return this.#pods.get(podUid)?.list;
  }

  /** Drops the events of a pod that is gone for good. No onChange. */
  forget(podUid: string): void {
    this.#pods.delete(podUid);
  }

  /** The sink for the watch of one reason's Events (field selector `involvedObject.kind=Pod,reason=…`). */
  sinkFor(reason: EventReason): ReflectorSink {
    return new ReasonSink(reason, {
      read: (bytes, watchLine) => this.#read(bytes, watchLine),
      put: (event) => this.#put(event),
      remove: (podUid, uid) => this.#remove(podUid, uid),
      retain: (listed, resourceVersion) => this.#retain(reason, listed, resourceVersion),
      setBack: () => this.#setBack(reason),
    });
  }

  #read(bytes: Uint8Array, watchLine: boolean): { readonly deleted: boolean; readonly event: ReadEvent } | undefined {
    const parsed = bytes.length <= this.#limits.maxEventBytes ? parse(bytes) : undefined;
    const raw = watchLine ? member(parsed, "object") : parsed;
    const event = this.#interpret(raw);
    if (event) return { deleted: watchLine && stringMember(parsed, "type") === "DELETED", event };
    this.#skipped++;
    const now = this.#options.clock.monotonic();
    if (now - this.#loggedAt >= logEveryMs) {
      this.#loggedAt = now;
      this.#options.log.warn({ bytes: bytes.length, skipped: this.#skipped }, "a Kubernetes Event can not be read and is skipped");
    }
    return undefined;
  }

  #interpret(raw: unknown): ReadEvent | undefined {
    const metadata = member(raw, "metadata");
    const uid = stringMember(metadata, "uid");
    const podUid = stringMember(member(raw, "involvedObject"), "uid");
    const [event] = toPodEvents([raw]);
    if (uid === undefined || podUid === undefined || event === undefined) return undefined;
    const message = event.message.slice(0, this.#limits.maxMessage);
    return { uid, podUid, event: { ...event, message }, resourceVersion: stringMember(metadata, "resourceVersion") ?? "" };
  }

  #put({ podUid, uid, event, resourceVersion }: ReadEvent): void {
    const before = this.#pods.get(podUid)?.kept ?? [];
    const known = before.find((kept) => kept.uid === uid);
    // A list tells of an Event as it was before the watch told of it.
    if (known && compareVersions(resourceVersion, known.resourceVersion) < 0) return;
    if (known) known.resourceVersion = resourceVersion;
    if (known && sameEvent(known.event, event)) return;
    const after = [...before.filter((kept) => kept.uid !== uid), { uid, event, resourceVersion }].sort((a, b) => a.event.timeMs - b.event.timeMs);
    this.#set(podUid, after.slice(-this.#limits.eventsPerPod));
  }

  #remove(podUid: string, uid: string): void {
    const before = this.#pods.get(podUid)?.kept ?? [];
    const after = before.filter((kept) => kept.uid !== uid);
    if (after.length < before.length) this.#set(podUid, after);
  }

  /** After a complete list: events of its reason that it did not hold are gone, unless the watch told of them in a later version. */
  #retain(reason: EventReason, listed: ReadonlySet<string>, version: string): void {
    const pods = [...this.#pods.entries()];
    for (const [podUid, entry] of pods) {
      const after = entry.kept.filter(({ uid, event, resourceVersion }) => event.reason !== reason || listed.has(uid) || compareVersions(resourceVersion, version) > 0);
      if (after.length < entry.kept.length) this.#set(podUid, after);
    }
  }

  /** Versions lower than those known are the newest now. */
  #setBack(reason: EventReason): void {
    for (const { kept } of this.#pods.values()) for (const one of kept) if (one.event.reason === reason) one.resourceVersion = "0";
  }

  #set(podUid: string, kept: readonly KeptEvent[]): void {
    if (kept.length === 0) this.#pods.delete(podUid);
    else this.#pods.set(podUid, { kept, list: kept.map(({ event }) => event) });
    this.#options.onChange(podUid);
  }
}

/** What a reason's sink does with the store. */
interface StoreAccess {
  read(bytes: Uint8Array, watchLine: boolean): { readonly deleted: boolean; readonly event: ReadEvent } | undefined;
  put(event: ReadEvent): void;
  remove(podUid: string, uid: string): void;
  retain(listed: ReadonlySet<string>, resourceVersion: string): void;
  setBack(): void;
}

/** The list and watch of one reason. Everything takes effect at once. */
class ReasonSink implements ReflectorSink {
  readonly #reason: EventReason;
  readonly #store: StoreAccess;
  #listed: Set<string> | undefined;
  #lastVersion: string | undefined;
  readonly #gone = new LRUCache<string, true>({ max: maxGone });
  /** Deletions so far, and before the list. */
  #deletions = 0;
  #deletionsBefore = 0;

  constructor(reason: EventReason, store: StoreAccess) {
    this.#reason = reason;
    this.#store = store;
  }

  listStarted(setBack: boolean): void {
    this.#listed = new Set();
    this.#deletionsBefore = this.#deletions;
    if (!setBack) return;
    this.#gone.clear();
    this.#store.setBack();
    this.#lastVersion = undefined;
  }

  /** Throws a KubeError (reason "Outdated") if so many Events were deleted meanwhile that it can not be told whether this one is among them: another list is needed. */
  item(bytes: Uint8Array): void {
    const read = this.#store.read(bytes, false);
    if (!read || read.event.event.reason !== this.#reason || this.#gone.has(read.event.uid)) return;
    // Half of it: some may have been deleted after the list's snapshot was taken, but before it began here.
    if (this.#deletions - this.#deletionsBefore > maxGone / 2) throw new KubeError("a list of Events took too long: too many were deleted meanwhile", { status: 0, reason: "Outdated" });
    this.#listed?.add(read.event.uid);
    this.#store.put(read.event);
  }

  listFinished(resourceVersion: string): void {
    if (this.#listed) this.#store.retain(this.#listed, resourceVersion);
    this.#listed = undefined;
  }

  listAborted(): void {
    this.#listed = undefined;
  }

  line(bytes: Uint8Array): void {
    const read = this.#store.read(bytes, true);
    if (!read || read.event.event.reason !== this.#reason) return;
    if (read.deleted) this.#delete(read.event);
    else this.#store.put(read.event);
    this.#lastVersion = read.event.resourceVersion || this.#lastVersion;
  }

  settled(): Promise<string | undefined> {
    return Promise.resolve(this.#lastVersion);
  }

  #delete({ podUid, uid }: ReadEvent): void {
    this.#deletions++;
    this.#gone.set(uid, true);
    this.#store.remove(podUid, uid);
  }
}

function sameEvent(a: PodEvent, b: PodEvent): boolean {
  return a.reason === b.reason && a.message === b.message && a.timeMs === b.timeMs;
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
}
