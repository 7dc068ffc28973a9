/** Books workspaces that are started: each must have a pod, one only, and must be told of; and once its pod is gone, as STOPPED. */
import { Lives } from "./lives.ts";
import type { Life, LifeCounts } from "./lives.ts";

/** A workspace that was asked for. */
interface Entry {
  readonly life: Life;
  /** Uids of its pods. */
  readonly uids: Set<string>;
}

/** Workspaces that lack something, by ID. */
export interface Missing {
  /** No pod was seen. */
  readonly podless: readonly string[];
  /** No status came. */
  readonly untold: readonly string[];
}

/** The book. It has as many entries as were begun and not ended. */
export class StartBook {
  readonly #entries = new Map<string, Entry>();
  readonly #lives = new Lives();
  #twice = 0;

  /** Workspaces of which a second pod was made. */
  get twice(): number {
    return this.#twice;
  }

  /** What was wrong with their ends. */
  get ends(): LifeCounts {
    return this.#lives.counts;
  }

  /** A workspace will be asked for. */
  begin(id: string): void {
    this.#entries.set(id, { life: this.#lives.begin(id), uids: new Set() });
  }

  /** It may stop from now on. */
  stopping(id: string): void {
    const entry = this.#entries.get(id);
    if (entry) entry.life.deleted = true;
  }

  /** A pod is there, told of for the first time or again. */
  pod(id: string, uid: string): void {
    const entry = this.#entries.get(id);
    if (!entry) return;
    const before = entry.uids.size;
    entry.uids.add(uid);
    // A third one is the same fault.
    if (before === 1 && entry.uids.size === 2) this.#twice++;
  }

  /** A status came. */
  status(id: string, phase: number): void {
    this.#lives.take(id, phase);
  }

  /** What these workspaces lack. */
  missing(ids: readonly string[]): Missing {
    return { podless: this.#those(ids, ({ uids }) => uids.size === 0), untold: this.#those(ids, ({ life }) => !life.isTold) };
  }

  /** Of these workspaces, those that had a pod and are not told as STOPPED. */
  unstopped(ids: readonly string[]): readonly string[] {
    return this.#those(ids, ({ life, uids }) => uids.size > 0 && !life.isStopped);
  }

  /** These are looked after no longer. */
  end(ids: readonly string[]): void {
    for (const id of ids) {
      this.#entries.delete(id);
      this.#lives.end(id);
    }
  }

  #those(ids: readonly string[], condition: (entry: Entry) => boolean): readonly string[] {
    return ids.filter((id) => {
      const entry = this.#entries.get(id);
      return entry !== undefined && condition(entry);
    });
  }
}
