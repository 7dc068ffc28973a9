/**
 * Changes that come one by one are derived where they are. To wake a worker for one of them costs the main thread nearly as much as to derive it, and where cores are
 * busy each thread on a change's way waits for one (docs/performance.md).
 */
import type { BatchResult } from "../../domain/messages.ts";
import type { Batch } from "./batch.ts";
import { isLaterLine } from "./peek.ts";
import type { WorkerPool } from "./pool.ts";

/** Lines, and bytes of them, that the main thread derives in one turn of the event loop: for less than half a millisecond of it. */
const maxLines = 3;
const maxBytes = 64 * 1024;

/** Decides what is derived in the main thread, and does it. */
export class AtOnce {
  #derive: WorkerPool["atOnce"];
  #hadTurn = false;

  /** @param derive undefined: everything is for the workers. */
  constructor(derive: WorkerPool["atOnce"]) {
    this.#derive = derive;
  }

  /**
   * The results of a batch; undefined if it is for the workers: all that is more than a few lines or comes in the same turn of the event loop, and every pod that
   * was not seen before, for one that makes its thread fail is to be found out by a worker.
   * @param idle whether the workers have nothing to do. While they are awake, handing over is cheap, and lines that gather are cheaper still.
   */
  derive(batch: Batch, idle: boolean): BatchResult | undefined {
    if (!this.#derive || !idle || this.#hadTurn || !isLittle(batch)) return undefined;
    this.#takeTurn();
    try {
      return this.#derive(batch);
    } catch {
      // What it is that fails is found out, and told, where workers do it again.
      return undefined;
    }
  }

  /** There is a pod that makes workers fail: it changes again, and must not do so here. For good, since nothing says when that pod is gone. */
  stop(): void {
    this.#derive = undefined;
  }

  #takeTurn(): void {
    this.#hadTurn = true;
    setImmediate(() => {
      this.#hadTurn = false;
    });
  }
}

function isLittle(batch: Batch): boolean {
  return batch.lines.length <= maxLines && batch.bytes <= maxBytes && batch.lines.every(({ source }, i) => source === "watch" && isLaterLine(batch.bytesOf(i)));
}
