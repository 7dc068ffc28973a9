/** Reads pods again from the API server, for frames that were evicted and pods whose fate is unclear; one read per pod at a time, few at once. */
import { Backoff } from "../../domain/backoff.ts";
import { deadline, sleep, type Clock } from "../../domain/clock.ts";
import { messageOf, WsmanError } from "../../domain/errors.ts";
import type { Log } from "../../domain/log.ts";
import { placeholderName, workspacePodName } from "../../domain/placeholder.ts";
import { mayBeSucceeded } from "../state/records.ts";
import type { Placeholder, WorkspaceRecord } from "../state/registry.ts";
import type { StateStore } from "../state/store.ts";
import { peekUid } from "./peek.ts";

/** Gets a pod's JSON; undefined if there is none of that name. */
export type FetchPod = (name: string, signal: AbortSignal) => Promise<Uint8Array | undefined>;

/** Reads at the same time. */
const concurrency = 8;
const timeoutMs = 30_000;
/** Reads of a pod that can not be understood any more, or that the watch overtakes every time; then what is known has to do. */
const maxOvertaken = 5;
/** Pods of one workspace that are read one after the other because each was gone; then the caller has to ask again. */
const maxPods = 5;
/** A pod that is not there any more may have left changes that the watch is still bringing: they are waited for so long. */
const graceMs = 5_000;
/** Attempts at a read that nobody waits for, until that is an error: about five minutes. It goes on, once a minute: what is known of the pod may be wrong as long as it was not read. */
const warnedAttempts = 10;
const backoff = { baseMs: 1_000, maxMs: 60_000 };

/** What the reader needs. */
export interface RereaderOptions {
  readonly store: StateStore;
  readonly fetchPod: FetchPod;
  readonly submit: (bytes: Uint8Array) => Promise<Buffer | undefined>;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
}

/** Reading a pod for its effect. */
interface Effort {
  /** A read has yet to begin. */
  due: boolean;
}

/** Single flight per pod, bounded in parallel; waiting is bounded by the number of live pods, and of those that are looked for. */
export class Rereader {
  readonly #options: RereaderOptions;
  readonly #flights = new Map<string, Promise<Buffer | undefined>>();
  readonly #waiting: (() => void)[] = [];
  /** Reads for their effect that are under way or will be tried again. */
  readonly #efforts = new Map<string, Effort>();
  readonly #closed = new AbortController();
  #running = 0;

  constructor(options: RereaderOptions) {
    this.#options = options;
  }

  /** A record's frame, from memory if it is there; undefined if its pod is gone meanwhile. Rejects with UNAVAILABLE if the API server can not give the pod. */
  frame(record: WorkspaceRecord): Buffer | Promise<Buffer | undefined> {
    return this.#options.store.cache.get(record.facts.id) ?? this.read(record.facts.podName, record.uid);
  }

  /**
   * The frame of a record's workspace, from memory if it is there, for whoever is told which workspaces there are: whichever pod goes on with it. One that waits for such a pod is there, although its own is
   * gone: it is told from its placeholder, and where none can be read, as far as the facts go: without URL and owner token, for two. Undefined: it has ended, or a change is going to say so.
   * Rejects as {@link frame} does.
   */
  frameToTell({ facts: { id } }: WorkspaceRecord): Buffer | Promise<Buffer | undefined> {
    return this.#options.store.cache.get(id) ?? this.rebuild(id);
  }

  /** As {@link frameToTell}, of a workspace whose frame is not in memory: the pod that stands for it is read, or the one that has taken its place when it turns out to be gone, and so on. */
  async rebuild(id: string): Promise<Buffer | undefined> {
    const { store } = this.#options;
    let last: string | undefined;
    for (let i = 0; i < maxPods; i++) {
      const record = store.registry.byId(id);
      if (!record || record.frame) return record?.frame;
      const pod = readable(record);
      // At once: a pod that takes the record's place later has its whole status published.
      if (!pod || keyOf(pod) === last) return mayBeSucceeded(record) ? store.tellKnown(record) : undefined;
      last = keyOf(pod);
      const frame = await this.read(pod.podName, pod.uid);
      if (frame) return frame;
    }
    throw new WsmanError("UNAVAILABLE", `the pods of workspace ${id} change too fast to be read`);
  }

  /**
   * Reads a pod and has its status derived. Rejects with UNAVAILABLE if it lives and can not be read.
   * @param uid of the pod that is expected under that name: found to be gone, its end takes effect after a while. Empty: whichever is there.
   */
  read(podName: string, uid: string): Promise<Buffer | undefined> {
    const key = keyOf({ podName, uid });
    const flying = this.#flights.get(key);
    if (flying) return flying;
    const flight = this.#slot(() => this.#read(podName, uid)).finally(() => this.#flights.delete(key));
    this.#flights.set(key, flight);
    return flight;
  }

  /**
   * Looks for pods that can have taken the place of a record's: a placeholder, and the workspace's pod. What is there takes effect, if it can be understood. Gives whether one is there that may be of this workspace.
   * Rejects with UNAVAILABLE if that can not be known.
   */
  findSuccessor({ facts }: WorkspaceRecord): Promise<boolean> {
    const podName = workspacePodName(facts.podName);
    // Reads of its own, one after the other, in this order: a placeholder goes once its pod is there.
    return this.#slot(async () => {
      const stands = await this.#found(placeholderName(podName));
      return (await this.#found(podName)) || stands;
    });
  }

  /** Reads a pod for its effect only, by a read that begins from now on; tried again until it works, or the pod is known to be gone. */
  readLater(podName: string, uid: string): void {
    const key = keyOf({ podName, uid });
    const known = this.#efforts.get(key);
    if (known) {
      known.due = true;
      return;
    }
    const effort = { due: true };
    this.#efforts.set(key, effort);
    this.#persist(podName, uid, effort).catch((error: unknown) => this.#options.log.error({ pod: podName, error: messageOf(error) }, "reading a pod again failed"));
  }

  /** Gives up all that is under way. */
  close(): void {
    this.#closed.abort();
  }

  async #persist(podName: string, uid: string, effort: Effort): Promise<void> {
    const { clock, random, log, store } = this.#options;
    const key = keyOf({ podName, uid });
    const delays = new Backoff({ ...backoff, random });
    try {
      while (effort.due && !this.#closed.signal.aborted) {
        try {
          await this.#readAnew(key, podName, uid, effort);
          delays.reset();
        } catch (error) {
          const attempt = delays.attempts + 1;
          const details = { pod: podName, error: messageOf(error), attempt };
          if (attempt < warnedAttempts) log.warn(details, "could not read the pod, trying again");
          else if (attempt === warnedAttempts) log.error(details, "could not read the pod for minutes, trying again until it works");
          effort.due = true;
          await sleep(clock, delays.next(), this.#closed.signal);
          if (store.registry.isGone(uid)) return;
        }
      }
    } finally {
      this.#efforts.delete(key);
    }
  }

  /** A read that is under way may have its answer already, from before what has to be learned. */
  async #readAnew(key: string, podName: string, uid: string, effort: Effort): Promise<void> {
    for (let flight = this.#flights.get(key); flight; flight = this.#flights.get(key)) await flight.catch(() => {});
    effort.due = false;
    await this.read(podName, uid);
  }

  async #read(podName: string, uid: string): Promise<Buffer | undefined> {
    const { store, submit } = this.#options;
    for (let i = 0; i < maxOvertaken; i++) {
      const bytes = await this.#fetch(podName);
      // Another pod of that name: the one that was asked for is gone, and the other's story is the watch's to tell.
      if (!bytes || isOther(bytes, uid)) {
        this.#endLater(uid);
        return undefined;
      }
      const frame = await submit(bytes);
      const lives = uid !== "" && store.registry.byUid(uid) !== undefined;
      if (frame || !lives) return frame;
    }
    const record = store.registry.byUid(uid);
    return record && store.tellKnown(record);
  }

  async #found(podName: string): Promise<boolean> {
    const { store, submit } = this.#options;
    const bytes = await this.#fetch(podName);
    if (!bytes) return false;
    await submit(bytes);
    // One that is of another start stands for nothing.
    return !store.registry.isGone(peekUid(bytes) ?? "");
  }

  async #fetch(podName: string): Promise<Uint8Array | undefined> {
    const limit = deadline(this.#options.clock, timeoutMs, this.#closed.signal);
    try {
      return await this.#options.fetchPod(podName, limit.signal);
    } catch (error) {
      throw new WsmanError("UNAVAILABLE", `cannot read pod ${podName}: ${messageOf(error)}`, { cause: error });
    } finally {
      limit.cancel();
    }
  }

  /** Ends a pod that is gone, unless the watch brings news of it: then it brings its end as well. */
  #endLater(uid: string): void {
    const { store, clock } = this.#options;
    const version = store.registry.byUid(uid)?.resourceVersion;
    if (version === undefined) return;
    clock.timer(graceMs, () => {
      if (!this.#closed.signal.aborted && store.registry.byUid(uid)?.resourceVersion === version) store.gone(uid);
    });
  }

  async #slot<T>(work: () => Promise<T>): Promise<T> {
    // A place is handed on to the first who waits: whoever comes at this moment can not take it as well.
    if (this.#running >= concurrency) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#running++;
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#running--;
    }
  }
}

/** The pod that can tell of the workspace: where that is gone, a placeholder, whichever is there under the name; the commit rereads it the same way. */
function readable({ vacant, placeholder, uid, facts: { podName } }: WorkspaceRecord): Placeholder | undefined {
  if (!vacant) return { podName, uid };
  return placeholder && { podName: placeholder.podName, uid: "" };
}

function keyOf({ podName, uid }: Placeholder): string {
  return `${podName}/${uid}`;
}

function isOther(bytes: Uint8Array, uid: string): boolean {
  const found = peekUid(bytes);
  return uid !== "" && found !== undefined && found !== uid;
}
