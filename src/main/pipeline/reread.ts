/** Reads pods again from the API server, for frames that were evicted and pods whose fate is unclear; one read per pod at a time, few at once. */
import { messageOf, WsmanError } from "../../domain/errors.ts";
import type { Log } from "../../domain/log.ts";
import type { WorkspaceRecord } from "../state/registry.ts";
import type { StateStore } from "../state/store.ts";

/** Gets a pod's JSON; undefined if there is none of that name. */
export type FetchPod = (name: string, signal: AbortSignal) => Promise<Uint8Array | undefined>;

/** Reads at the same time. */
const concurrency = 8;
const timeoutMs = 30_000;

/** What the reader needs. */
export interface RereaderOptions {
  readonly store: StateStore;
  readonly fetchPod: FetchPod;
  readonly submit: (bytes: Uint8Array) => Promise<Buffer | undefined>;
  readonly log: Log;
}

/** Single flight per pod, bounded in parallel; waiting is bounded by the number of live pods. */
export class Rereader {
  readonly #options: RereaderOptions;
  readonly #flights = new Map<string, Promise<Buffer | undefined>>();
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(options: RereaderOptions) {
    this.#options = options;
  }

  /** A record's frame, from memory if it is there. Rejects with UNAVAILABLE if the API server can not give the pod. */
  frame(record: WorkspaceRecord): Buffer | Promise<Buffer | undefined> {
    return this.#options.store.cache.get(record.facts.id) ?? this.read(record.facts.podName, record.uid);
  }

  /**
   * Reads a pod and has its status derived.
   * @param uid of the pod that is expected under that name: found to be gone, its end takes effect. Empty: whichever is there.
   */
  read(podName: string, uid: string): Promise<Buffer | undefined> {
    const key = `${podName}/${uid}`;
    const flying = this.#flights.get(key);
    if (flying) return flying;
    const flight = this.#slot(() => this.#fetch(podName, uid)).finally(() => this.#flights.delete(key));
    this.#flights.set(key, flight);
    return flight;
  }

  /** Reads a pod for its effect only; failures are logged, and the next list makes up for them. */
  readLater(podName: string, uid: string): void {
    this.read(podName, uid).catch((error: unknown) => this.#options.log.warn({ pod: podName, error: messageOf(error) }, "could not read the pod again"));
  }

  async #fetch(podName: string, uid: string): Promise<Buffer | undefined> {
    const { store, fetchPod, submit } = this.#options;
    let bytes: Uint8Array | undefined;
    try {
      bytes = await fetchPod(podName, AbortSignal.timeout(timeoutMs));
    } catch (error) {
      throw new WsmanError("UNAVAILABLE", `cannot read pod ${podName}: ${messageOf(error)}`, { cause: error });
    }
    if (bytes) return submit(bytes);
    store.gone(uid);
    return undefined;
  }

  async #slot<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running >= concurrency) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#running++;
    try {
      return await work();
    } finally {
      this.#running--;
      this.#waiting.shift()?.();
    }
  }
}
