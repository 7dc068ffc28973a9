/** Tells those who wait for volume snapshots when one is ready: by one watch of the namespace, which runs while somebody waits (spec: lifecycle, "Finalization"). */
import type { Clock } from "../../domain/clock.ts";
import { objectAt, readObject, textAt, type JsonObject } from "../../domain/json.ts";
import type { ReflectorSink } from "../kube/sink.ts";

/** What it works with. */
export interface SnapshotWatchOptions {
  /** Lists and watches the namespace's snapshots into the sink until the signal aborts; never rejects. */
  readonly reflect: (sink: ReflectorSink, signal: AbortSignal) => Promise<void>;
  readonly clock: Clock;
}

/** Somebody who waits for a snapshot; there are as many as there are finalizations at most. */
export interface Waiter {
  /** What the storage system said last of why it is not ready; empty: nothing. */
  readonly said: string;
  /** Resolves when the snapshot should be looked at: it was told to be ready, or gone, since this was asked for last; or the signal aborts. */
  told(signal: AbortSignal): Promise<void>;
  /** Waits no more. */
  leave(): void;
}

/** The watch runs on for so long after the last one has left: another may come, milliseconds. */
const lingerMs = 60_000;
/** While nothing is known by the watch, as where it is not allowed, snapshots are looked at every so often, milliseconds. */
const blindMs = 20_000;
/** Characters of what a storage system says that are kept. */
const maxSaid = 500;

/** The watch. */
export class SnapshotWatch {
  readonly #options: SnapshotWatchOptions;
  readonly #waiters = new Map<string, Set<Place>>();
  #running: { readonly stop: AbortController; readonly sink: SnapshotSink } | undefined;
  #cancelLinger: (() => void) | undefined;
  #ended: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(options: SnapshotWatchOptions) {
    this.#options = options;
  }

  /** Whether it watches. */
  get active(): boolean {
    return this.#running !== undefined;
  }

  /** Waits for a snapshot of this name from now on. */
  join(name: string): Waiter {
    this.#cancelLinger?.();
    this.#cancelLinger = undefined;
    const places = this.#waiters.get(name) ?? new Set<Place>();
    const place = new Place(this.#options.clock, () => this.#running?.sink.synced === true, () => this.#leave(name, place));
    places.add(place);
    this.#waiters.set(name, places);
    if (!this.#running && !this.#closed) this.#start();
    return place;
  }

  /** Ends the watch for good; resolves when its connections are closed. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#cancelLinger?.();
    this.#stop();
    await this.#ended;
  }

  #leave(name: string, place: Place): void {
    const places = this.#waiters.get(name);
    places?.delete(place);
    if (places?.size === 0) this.#waiters.delete(name);
    if (this.#waiters.size > 0 || !this.#running || this.#cancelLinger) return;
    this.#cancelLinger = this.#options.clock.timer(lingerMs, () => {
      this.#cancelLinger = undefined;
      this.#stop();
    });
  }

  #start(): void {
    const stop = new AbortController();
    const sink = new SnapshotSink((snapshot, removed) => this.#tell(snapshot, removed));
    this.#running = { stop, sink };
    this.#ended = this.#options.reflect(sink, stop.signal);
  }

  #stop(): void {
    this.#running?.stop.abort();
    this.#running = undefined;
  }

  #tell(snapshot: JsonObject | undefined, removed: boolean): void {
    const places = this.#waiters.get(textAt(objectAt(snapshot, "metadata"), "name"));
    const status = objectAt(snapshot, "status");
    for (const place of places ?? []) {
      place.hear(textAt(objectAt(status, "error"), "message"));
      if (removed || (status?.["readyToUse"] === true && textAt(status, "boundVolumeSnapshotContentName") !== "")) place.wake();
    }
  }
}

class Place implements Waiter {
  readonly #clock: Clock;
  readonly #sees: () => boolean;
  readonly leave: () => void;
  #woken = Promise.withResolvers<void>();
  #said = "";

  constructor(clock: Clock, sees: () => boolean, leave: () => void) {
    this.#clock = clock;
    this.#sees = sees;
    this.leave = leave;
  }

  get said(): string {
    return this.#said;
  }

  hear(message: string): void {
    this.#said = message.slice(0, maxSaid);
  }

  wake(): void {
    this.#woken.resolve();
  }

  async told(signal: AbortSignal): Promise<void> {
    const aborted = Promise.withResolvers<void>();
    const onAbort = (): void => aborted.resolve();
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
    const cancel = this.#blindly();
    try {
      await Promise.race([this.#woken.promise, aborted.promise]);
    } finally {
      cancel();
      signal.removeEventListener("abort", onAbort);
      this.#woken = Promise.withResolvers<void>();
    }
  }

  /** Wakes it after a while if the watch does not see anything then. */
  #blindly(): () => void {
    if (this.#sees()) return () => {};
    return this.#clock.timer(blindMs, () => {
      if (!this.#sees()) this.wake();
    });
  }
}

/** Parses snapshots on this thread: they are small, change rarely, and nothing is kept of them. */
class SnapshotSink implements ReflectorSink {
  readonly #onSnapshot: (snapshot: JsonObject | undefined, removed: boolean) => void;
  /** A list was complete. */
  synced = false;
  #lastVersion: string | undefined;

  constructor(onSnapshot: (snapshot: JsonObject | undefined, removed: boolean) => void) {
    this.#onSnapshot = onSnapshot;
  }

  listStarted(setBack: boolean): void {
    if (setBack) this.#lastVersion = undefined;
  }

  item(bytes: Uint8Array): void {
    this.#onSnapshot(readObject(bytes), false);
  }

  listFinished(): void {
    this.synced = true;
  }

  listAborted(): void {}

  line(bytes: Uint8Array): void {
    const event = readObject(bytes);
    const snapshot = objectAt(event, "object");
    this.#onSnapshot(snapshot, textAt(event, "type") === "DELETED");
    this.#lastVersion = textAt(objectAt(snapshot, "metadata"), "resourceVersion") || this.#lastVersion;
  }

  settled(): Promise<string | undefined> {
    return Promise.resolve(this.#lastVersion);
  }
}
