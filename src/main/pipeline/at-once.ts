/**
 * Changes that come one by one are derived where they are. To wake a worker for one of them costs the main thread nearly as much as to derive it, and where cores are
 * busy each thread on a change's way waits for one (docs/performance.md).
 */
import type { BatchResult } from "../../domain/messages.ts";
import type { Batch } from "./batch.ts";
import { peekUid } from "./peek.ts";
import type { WorkerPool } from "./pool.ts";

/** Lines, and bytes of them, that the main thread derives in one turn of the event loop: usual pods take a fifth of a millisecond together, the worst of such a size two. */
const maxLines = 3;
const maxBytes = 64 * 1024;
/** Pods that are remembered as suspects. */
const maxSuspects = 1000;

/** Decides what is derived in the main thread, and does it. */
export class AtOnce {
  #derive: WorkerPool["atOnce"];
  readonly #knows: (uid: string) => boolean;
  readonly #suspects = new Set<string>();
  #hadTurn = false;

  /**
   * @param derive undefined: everything is for the workers.
   * @param knows whether a status of this pod was derived before.
   */
  constructor(derive: WorkerPool["atOnce"], knows: (uid: string) => boolean) {
    this.#derive = derive;
    this.#knows = knows;
  }

  /**
   * The results of a batch; undefined if it is for the workers: all that is more than a few lines or comes in the same turn of the event loop, and every pod that
   * is not known, or was in a batch whose worker failed: one that makes its thread fail is to be found out by a worker.
   * @param idle whether the workers have nothing to do. While they are awake, handing over is cheap, and lines that gather are cheaper still.
   */
  derive(batch: Batch, idle: boolean): BatchResult | undefined {
    if (!this.#derive || !idle || this.#hadTurn || !this.#suits(batch)) return undefined;
    this.#takeTurn();
    try {
      return this.#derive(batch);
    } catch {
      // What it is that fails is found out, and told, where workers do it again.
      return undefined;
    }
  }

  /** A worker failed over this batch: its pods are for workers from now on, for nothing says which of them it was. With too many of them all pods are. */
  suspect(batch: Batch): void {
    for (let i = 0; i < batch.lines.length && this.#derive; i++) {
      const uid = peekUid(batch.bytesOf(i));
      if (uid !== undefined) this.#suspects.add(uid);
      if (this.#suspects.size > maxSuspects) this.#derive = undefined;
    }
  }

  #suits(batch: Batch): boolean {
    if (batch.lines.length > maxLines || batch.bytes > maxBytes) return false;
    return batch.origins.every((origin, i) => {
      const uid = origin === "watch" ? peekUid(batch.bytesOf(i)) : undefined;
      return uid !== undefined && this.#knows(uid) && !this.#suspects.has(uid);
    });
  }

  #takeTurn(): void {
    this.#hadTurn = true;
    setImmediate(() => {
      this.#hadTurn = false;
    });
  }
}
