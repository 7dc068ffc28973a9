/** The worker threads' entry: Piscina calls the default export with each batch. */
import { workerData } from "node:worker_threads";
import { move, transferableSymbol, valueSymbol } from "piscina";
import { asObject } from "../domain/json.ts";
import type { BatchResult, BatchTask, DeriveConfig } from "../domain/messages.ts";
import { processBatch } from "./batch.ts";

const config = configOf(workerData);

function configOf(data: unknown): DeriveConfig {
  const regularWorkspaceTimeoutMs = asObject(data)?.["regularWorkspaceTimeoutMs"];
  if (typeof regularWorkspaceTimeoutMs !== "number") throw new Error("workerData is not a DeriveConfig: start the pool with one");
  return { regularWorkspaceTimeoutMs };
}

/** Works a batch off. What Piscina delivers to the caller is the {@link BatchResult}, its bytes transferred, not copied. */
export default function task(batch: BatchTask): unknown {
  return moved(processBatch(batch, config));
}

function moved(result: BatchResult): unknown {
  return move({
    get [transferableSymbol]() {
      return [result.bytes.buffer];
    },
    get [valueSymbol]() {
      return result;
    },
  });
}
