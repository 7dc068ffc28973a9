/** The last changes of all objects, bounded by number and bytes: what watches resume from and old lists are rebuilt from. */
import type { Version } from "./version.ts";

/** One change. */
export interface Change {
  readonly version: Version;
  /** The version before; undefined for a new object. */
  readonly previous: Version | undefined;
}

/** Bounds of the history. When one is reached, the oldest changes are forgotten: who resumes from before them is told 410. */
export interface HistoryLimits {
  readonly changes: number;
  /** Of JSON, each change counted with what it does not share with the one before. */
  readonly bytes: number;
}

/** Newest changes whose JSON is at hand as a whole; that of older ones is made again for who asks. */
const atHand = 256;

/** The history. */
export class History {
  readonly #limits: HistoryLimits;
  #changes: Change[] = [];
  /** Index of the oldest change that is still known. */
  #head = 0;
  #bytes = 0;
  #compacted = 0;

  constructor(limits: HistoryLimits) {
    this.#limits = limits;
  }

  /** The newest resourceVersion that is forgotten: changes after it are known. */
  get compacted(): number {
    return this.#compacted;
  }

  add(change: Change): void {
    this.#changes.push(change);
    this.#changes.at(-1 - atHand)?.version.release();
    this.#bytes += change.version.newBytes;
    while (this.#changes.length - this.#head > this.#limits.changes || this.#bytes > this.#limits.bytes) this.#forget();
    if (this.#head > 1024 && this.#head * 2 > this.#changes.length) this.#shrink();
  }

  /** Forgets everything so far. */
  compact(): void {
    while (this.#head < this.#changes.length) this.#forget();
    this.#shrink();
  }

  /** The changes after a resourceVersion, oldest first. */
  *after(resourceVersion: number): Generator<Change> {
    for (let i = this.#indexAfter(resourceVersion); i < this.#changes.length; i++) {
      const change = this.#changes[i];
      if (change) yield change;
    }
  }

  /** The changes after a resourceVersion, newest first. */
  *backTo(resourceVersion: number): Generator<Change> {
    for (let i = this.#changes.length - 1; i >= this.#head; i--) {
      const change = this.#changes[i];
      if (!change || change.version.resourceVersion <= resourceVersion) return;
      yield change;
    }
  }

  #indexAfter(resourceVersion: number): number {
    let low = this.#head;
    let high = this.#changes.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#changes[middle]?.version.resourceVersion ?? 0) <= resourceVersion) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #forget(): void {
    const oldest = this.#changes[this.#head++];
    if (!oldest) return;
    this.#bytes -= oldest.version.newBytes;
    this.#compacted = oldest.version.resourceVersion;
    oldest.version.release();
  }

  #shrink(): void {
    this.#changes = this.#changes.slice(this.#head);
    this.#head = 0;
  }
}
