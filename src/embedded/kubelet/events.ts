/** Writes Kubernetes Events as the scheduler and the kubelet do: counted up when repeated, gone after an hour, never more than a fixed number. */
import type { Clock } from "../../domain/clock.ts";
import type { ClusterStore, KubeObject } from "../contract.ts";
import { number, timestamp } from "./json.ts";

/** One thing that happened to an object. */
export interface EventNote {
  readonly type: "Normal" | "Warning";
  readonly reason: string;
  readonly message: string;
  /** What reports it: `kubelet`, `default-scheduler`, ... */
  readonly component: string;
  /** The node it is reported from. */
  readonly host?: string;
  /** The part of the object, e.g. `spec.containers{workspace}`. */
  readonly fieldPath?: string;
}

/** Limits of the recorder. */
export interface EventLimits {
  /** Most events kept; the oldest is deleted to make room. */
  readonly maxEvents: number;
  /** How long an event is kept after it last happened, milliseconds. */
  readonly ttlMs: number;
}

interface Kept {
  readonly namespace: string;
  readonly name: string;
  readonly key: string;
  last: number;
}

/** Records events in the store. Deletes only what it wrote itself. */
export class EventRecorder {
  readonly #store: ClusterStore;
  readonly #clock: Clock;
  readonly #limits: EventLimits;
  /** By what happened to whom; oldest first, since a repeated event is put at the end again. */
  readonly #kept = new Map<string, Kept>();
  #sequence = 0;
  #cancel: (() => void) | undefined;

  readonly #onError: (error: unknown) => void;

  constructor(store: ClusterStore, clock: Clock, limits: EventLimits, onError: (error: unknown) => void) {
    this.#onError = onError;
    this.#store = store;
    this.#clock = clock;
    this.#limits = limits;
  }

  /** Writes an event on the object, or counts up the one that says the same. Never throws: an event that cannot be written must not keep a pod from its life. */
  record(object: KubeObject, note: EventNote): void {
    try {
      this.#write(object, note);
    } catch (error) {
      this.#onError(error);
    }
  }

  #write(object: KubeObject, note: EventNote): void {
    const key = JSON.stringify([object.metadata.uid, note.reason, note.message, note.fieldPath]);
    const kept = this.#kept.get(key);
    if (kept && this.#countUp(kept)) return;
    const now = this.#clock.now();
    const namespace = object.metadata.namespace ?? "default";
    const name = `${object.metadata.name}.${(BigInt(now) * 1_000_000n + BigInt(this.#sequence++ % 1_000_000)).toString(16)}`;
    while (this.#kept.size >= this.#limits.maxEvents) this.#dropOldest();
    this.#kept.set(key, { namespace, name, key, last: now });
    this.#store.create("events", eventObject(object, note, namespace, name, timestamp(now)), namespace);
    this.#arm();
  }

  /** Stops the timer; the events written stay. */
  close(): void {
    this.#cancel?.();
    this.#kept.clear();
  }

  #countUp(kept: Kept): boolean {
    if (!this.#store.get("events", kept.namespace, kept.name)) {
      this.#kept.delete(kept.key);
      return false;
    }
    kept.last = this.#clock.now();
    this.#kept.delete(kept.key);
    this.#kept.set(kept.key, kept);
    this.#store.update("events", kept.namespace, kept.name, (draft) => {
      draft["count"] = number(draft["count"], 0) + 1;
      draft["lastTimestamp"] = timestamp(kept.last);
    });
    return true;
  }

  #oldest(): Kept | undefined {
    return this.#kept.values().next().value;
  }

  #dropOldest(): void {
    const oldest = this.#oldest();
    if (!oldest) return;
    this.#kept.delete(oldest.key);
    if (this.#store.get("events", oldest.namespace, oldest.name)) this.#store.delete("events", oldest.namespace, oldest.name, { gracePeriodSeconds: 0 });
  }

  #arm(): void {
    const oldest = this.#oldest();
    if (this.#cancel || !oldest) return;
    this.#cancel = this.#clock.timer(Math.max(1000, oldest.last + this.#limits.ttlMs - this.#clock.now()), () => {
      this.#cancel = undefined;
      const expired = this.#clock.now() - this.#limits.ttlMs;
      for (let next = this.#oldest(); next && next.last <= expired; next = this.#oldest()) this.#dropOldest();
      this.#arm();
    });
  }
}

function eventObject(object: KubeObject, note: EventNote, namespace: string, name: string, at: string): object {
  return {
    apiVersion: "v1",
    kind: "Event",
    metadata: { name, namespace },
    involvedObject: {
      apiVersion: object.apiVersion,
      kind: object.kind,
      name: object.metadata.name,
      ...(object.metadata.namespace === undefined ? {} : { namespace: object.metadata.namespace }),
      uid: object.metadata.uid,
      resourceVersion: object.metadata.resourceVersion,
      ...(note.fieldPath === undefined ? {} : { fieldPath: note.fieldPath }),
    },
    reason: note.reason,
    message: note.message,
    source: { component: note.component, ...(note.host === undefined ? {} : { host: note.host }) },
    firstTimestamp: at,
    lastTimestamp: at,
    count: 1,
    type: note.type,
    eventTime: null,
    reportingComponent: note.component,
    reportingInstance: note.host ?? "",
  };
}
