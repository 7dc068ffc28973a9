/** Waits for what was written to come back with the watch: it does in any case, so the API server's answer need not be derived as well. */
import type { Clock } from "../../domain/clock.ts";
import { compareVersions } from "../../domain/versions.ts";
import { peekIdentity } from "../pipeline/peek.ts";
import type { Registry, WorkspaceRecord } from "../state/registry.ts";

/** What it works with. */
export interface SightingsOptions {
  readonly registry: Pick<Registry, "byUid">;
  readonly clock: Clock;
}

/** Somebody who waits for a version of a pod, or a later one. */
interface Waiter {
  readonly resourceVersion: string;
  readonly tell: (seen: boolean) => void;
}

/** Whoever waits, by uid. Bounded by the calls that wait. */
export class Sightings {
  readonly #options: SightingsOptions;
  readonly #waiting = new Map<string, Set<Waiter>>();

  constructor(options: SightingsOptions) {
    this.#options = options;
  }

  /** Pods that somebody waits for. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Whether this version of a pod, or a later one, takes effect here within so many milliseconds. False also where the bytes do not tell which pod it is. */
  async comes(pod: Uint8Array, withinMs: number): Promise<boolean> {
    const { registry, clock } = this.#options;
    const identity = peekIdentity(pod);
    if (!identity) return false;
    const { uid, resourceVersion } = identity;
    if (isSeen(registry.byUid(uid), resourceVersion)) return true;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const waiter: Waiter = { resourceVersion, tell: resolve };
    const waiters = this.#waiting.get(uid) ?? new Set();
    this.#waiting.set(uid, waiters.add(waiter));
    const cancel = clock.timer(withinMs, () => resolve(false));
    try {
      return await promise;
    } finally {
      cancel();
      waiters.delete(waiter);
      if (waiters.size === 0 && this.#waiting.get(uid) === waiters) this.#waiting.delete(uid);
    }
  }

  /** Something about a pod has taken effect. */
  changed(record: WorkspaceRecord): void {
    const waiters = this.#waiting.get(record.uid);
    if (!waiters) return;
    for (const { resourceVersion, tell } of waiters) if (isSeen(record, resourceVersion)) tell(true);
  }
}

/** Versions that are no numbers are not compared: then they have to be the same. */
function isSeen(record: WorkspaceRecord | undefined, resourceVersion: string): boolean {
  if (!record) return false;
  const order = compareVersions(record.resourceVersion, resourceVersion);
  return order > 0 || (order === 0 && record.resourceVersion === resourceVersion);
}
