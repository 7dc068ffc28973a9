/**
 * Asks for the version of the API server's store. One that was set back (etcd restored from a backup) accepts a watch at a version of the history that is no more,
 * and tells nothing on it, no bookmark either, until that version is passed again.
 */
import { sleep, type Clock } from "../../domain/clock.ts";
import { failure, type Requester } from "./client.ts";
import { KubeError } from "./errors.ts";
import { ItemScanner } from "./items.ts";

/** Whom to ask, and for what. */
export interface StoreCheckOptions {
  readonly client: Requester;
  readonly clock: Clock;
  /** Of the collection: kinds of objects may have stores of their own. */
  readonly path: string;
  readonly query: Readonly<Record<string, string | undefined>>;
  /** Ends the asking. */
  readonly signal: AbortSignal;
  readonly maxItemBytes: number;
  /** Silence within the answer, milliseconds. */
  readonly idleMs: number;
}

/** After a question that was not answered, milliseconds. */
const askAgainMs = 10_000;

/** The resourceVersion of the store now, or later; asks until there is an answer. Undefined once the signal aborts; never rejects. */
export async function storeVersion(options: StoreCheckOptions): Promise<string | undefined> {
  const { clock, signal } = options;
  while (!signal.aborted) {
    try {
      return await ask(options);
    } catch {
      // The watch beside it tells what is wrong with the API server.
      await sleep(clock, askAgainMs, signal);
    }
  }
  return undefined;
}

/** The shortest list: without a resourceVersion it is consistent with the store. */
async function ask({ client, clock, path, query, signal, maxItemBytes, idleMs }: StoreCheckOptions): Promise<string> {
  const response = await client.request({ method: "GET", path, query: { ...query, limit: "1" }, signal });
  if (response.status !== 200) throw await failure(response, clock);
  const scanner = new ItemScanner(() => undefined, maxItemBytes);
  await response.body.pump((chunk) => scanner.push(chunk), idleMs);
  const { resourceVersion } = scanner.finish();
  if (resourceVersion === undefined) throw new KubeError(`list of ${path} has no resourceVersion`, { status: 0, reason: "Malformed" });
  return resourceVersion;
}
