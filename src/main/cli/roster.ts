/** What `watch` knows: the newest status of each workspace, whichever way and in whichever order the statuses came. */
import { wsman } from "../../gen/proto.js";
import { versionOf } from "./view.ts";

/** A workspace that was seen. */
export interface Seen {
  readonly status: wsman.WorkspaceStatus;
  readonly version: bigint;
  /** When the status came, monotonic milliseconds. */
  readonly at: number;
}

/** Of more workspaces than these, the rest is counted only. */
export const maxKnown = 50_000;

/** How long a workspace that stopped is remembered, milliseconds: shown by the live table, and proof against a list that is older than its end. */
const keepStopped = 30_000;

/** Newest statuses by workspace ID. */
export class Roster {
  readonly #seen = new Map<string, Seen>();
  readonly #keepStoppedMs: number;
  #beyond = 0;

  /** @param keepStoppedMs how long a workspace stays after it stopped. */
  constructor(keepStoppedMs = keepStopped) {
    this.#keepStoppedMs = keepStoppedMs;
  }

  /** Statuses of workspaces that found no room. */
  get beyond(): number {
    return this.#beyond;
  }

  /** The newest status of a workspace, if it is known. */
  of(id: string): wsman.WorkspaceStatus | undefined {
    return this.#seen.get(id)?.status;
  }

  /** Takes a status in; false if it says nothing newer than what is known. */
  offer(status: wsman.WorkspaceStatus, at: number): boolean {
    const version = versionOf(status);
    const known = this.#seen.get(status.id);
    if (known && known.version >= version) return false;
    if (!known && this.#seen.size >= maxKnown) {
      this.expire(at);
      if (this.#seen.size >= maxKnown) {
        this.#beyond++;
        return true;
      }
    }
    this.#seen.set(status.id, { status, version, at });
    return true;
  }

  /**
   * Forgets workspaces that a complete list does not hold; not those whose status came after `since`, as they may be newer than the list.
   * Gives the IDs of the forgotten that were not known to have stopped.
   */
  prune(listed: ReadonlySet<string>, since: number): readonly string[] {
    const gone: string[] = [];
    for (const [id, seen] of this.#seen) {
      if (listed.has(id) || seen.at >= since) continue;
      this.#seen.delete(id);
      if (!isStopped(seen)) gone.push(id);
    }
    return gone;
  }

  /** Forgets what stopped a while ago. */
  expire(now: number): void {
    for (const [id, seen] of this.#seen) if (isStopped(seen) && now - seen.at >= this.#keepStoppedMs) this.#seen.delete(id);
  }

  /** All that are known. */
  values(): Iterable<Seen> {
    return this.#seen.values();
  }
}

function isStopped({ status }: Seen): boolean {
  return status.phase === wsman.WorkspacePhase.STOPPED;
}
