/** Storage within bounds: its driver is loaded when the first call needs it, few requests go at once, none takes long, and whatever goes wrong is told without secrets. */
import { request } from "undici";
import { deadline, type Clock } from "../../domain/clock.ts";
import { WsmanError } from "../../domain/errors.ts";
import { Slots } from "../../domain/slots.ts";
import { reasonOf, StatusError } from "./reasons.ts";
import type { ObjectInfo, ObjectPlace, ObjectStorage, StorageDriver } from "./storage.ts";

/** What the storage is used with. */
export interface BoundedOptions {
  /** Loads the driver; asked again by the next call if it fails. */
  readonly open: () => Promise<StorageDriver>;
  readonly clock: Clock;
  /** Time for one request, its retries included, milliseconds. Default 10 s. */
  readonly requestMs?: number;
  /** Requests at once. Default 64; those that wait are bounded as well. */
  readonly maxRequests?: number;
}

const maxWaiting = 1_000;

/** See ObjectStorage. */
export class BoundedStorage implements ObjectStorage {
  readonly #options: BoundedOptions;
  readonly #requestMs: number;
  readonly #slots: Slots;
  #driver: Promise<StorageDriver> | undefined;
  #closed = false;

  constructor(options: BoundedOptions) {
    this.#options = options;
    this.#requestMs = options.requestMs ?? 10_000;
    this.#slots = new Slots({ max: options.maxRequests ?? 64, maxWaiting, what: "requests to the content storage" });
  }

  info(place: ObjectPlace, signal: AbortSignal): Promise<ObjectInfo | undefined> {
    return this.#attempt(place, signal, async (driver, limit) => driver.info(place, limit));
  }

  sign(place: ObjectPlace, signal: AbortSignal): Promise<string> {
    return this.#attempt(place, signal, async (driver) => driver.sign(place));
  }

  read(place: ObjectPlace, maxBytes: number, signal: AbortSignal): Promise<Buffer | undefined> {
    return this.#attempt(place, signal, async (driver, limit) => download(await driver.sign(place), maxBytes, limit));
  }

  /** Closes connections. What is under way ends with an error. */
  async close(): Promise<void> {
    this.#closed = true;
    const driver = await this.#driver?.catch(() => undefined);
    driver?.close();
  }

  async #attempt<T>(place: ObjectPlace, signal: AbortSignal, work: (driver: StorageDriver, limit: AbortSignal) => Promise<T>): Promise<T> {
    const limit = deadline(this.#options.clock, this.#requestMs, signal);
    const { promise: aborted, reject } = Promise.withResolvers<never>();
    const abort = (): void => reject(new Error("aborted"));
    limit.signal.addEventListener("abort", abort, { once: true });
    try {
      // The place is taken until the work has ended, also if nobody waits for it any more: not every library can be interrupted.
      const working = this.#slots.run(limit.signal, async () => work(await this.#open(), limit.signal));
      return await Promise.race([working, aborted]);
    } catch (error) {
      if (signal.aborted) throw new WsmanError("CANCELLED", "the call was cancelled, or its deadline has passed");
      if (limit.signal.aborted) throw unavailable(place, `no answer within ${this.#requestMs} ms`);
      if (error instanceof WsmanError) throw error;
      throw unavailable(place, reasonOf(error));
    } finally {
      limit.signal.removeEventListener("abort", abort);
      limit.cancel();
    }
  }

  async #open(): Promise<StorageDriver> {
    if (this.#closed) throw new WsmanError("UNAVAILABLE", "the daemon is ending");
    const opening = (this.#driver ??= this.#options.open());
    try {
      return await opening;
    } catch (error) {
      if (this.#driver === opening) this.#driver = undefined;
      throw error;
    }
  }
}

/** Without the cause: libraries' errors hold requests, with their signatures. */
function unavailable({ bucket, object }: ObjectPlace, why: string): WsmanError {
  return new WsmanError("UNAVAILABLE", `the content storage can not be asked for ${bucket}/${object}: ${why}`);
}

async function download(url: string, maxBytes: number, signal: AbortSignal): Promise<Buffer | undefined> {
  const { statusCode, headers, body } = await request(url, { signal });
  // What breaks is told to whoever reads; what is given up here is told to nobody.
  body.on("error", () => undefined);
  if (statusCode !== 200) {
    // A word of the reason is enough: what is there was seen before.
    await body.dump({ limit: 4096, signal }).catch(() => undefined);
    if (statusCode === 404) return undefined;
    throw new StatusError(statusCode);
  }
  const tooLarge = (): WsmanError => new WsmanError("FAILED_PRECONDITION", `the object is larger than ${maxBytes} bytes`);
  if (Number(headers["content-length"] ?? 0) > maxBytes) {
    body.destroy();
    throw tooLarge();
  }
  const chunks: Buffer[] = [];
  let total = 0;
  for await (const chunk of body) {
    if (!Buffer.isBuffer(chunk)) continue;
    total += chunk.length;
    if (total > maxBytes) throw tooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
