/** The worker threads' entry: Piscina calls the default export with each batch. */
import { workerData } from "node:worker_threads";
import { move, transferableSymbol, valueSymbol } from "piscina";
import { asObject } from "../domain/json.ts";
import { readTask, writeResult } from "../domain/mailbox.ts";
import type { PostedTask } from "../domain/mailbox.ts";
import type { BatchResult, DeriveConfig } from "../domain/messages.ts";
import { processBatch } from "./batch.ts";

const config = configOf(workerData);
const mailboxes = mailboxesOf(workerData);

function configOf(data: unknown): DeriveConfig {
  const derive = asObject(asObject(data)?.["derive"]);
  const regularWorkspaceTimeoutMs = derive?.["regularWorkspaceTimeoutMs"];
  if (typeof regularWorkspaceTimeoutMs !== "number") throw new Error("workerData has no DeriveConfig: start the pool with one");
  return { regularWorkspaceTimeoutMs, trace: derive?.["trace"] === true };
}

function mailboxesOf(data: unknown): readonly Buffer[] {
  const given = asObject(data)?.["mailboxes"];
  const all: readonly unknown[] = Array.isArray(given) ? given : [];
  return all.map((memory) => {
    if (memory instanceof SharedArrayBuffer) return Buffer.from(memory);
    throw new Error("a mailbox is shared memory");
  });
}

/** Works a batch off: what comes back is the number of bytes of its result in the mailbox, or, if that is too small, the {@link BatchResult} itself. */
export default function task(posted: PostedTask): unknown {
  const mailbox = typeof posted.mailbox === "number" ? mailboxes[posted.mailbox] : Buffer.from(posted.mailbox);
  if (!mailbox) throw new Error("there is no such mailbox");
  const result = processBatch(readTask(mailbox, posted), config);
  return writeResult(mailbox, result) ?? moved(result);
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
