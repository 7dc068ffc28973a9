/** Storage within bounds: its driver is loaded when the first call needs it, few requests go at once, none takes long, and whatever goes wrong is told without secrets. */
import { Agent, request, type Dispatcher } from "undici";
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
const connectMs = 5_000;

/** See ObjectStorage. */
export class BoundedStorage implements ObjectStorage {
  readonly #options: BoundedOptions;
  readonly #requestMs: number;
  readonly #slots: Slots;
  /** Of what is read; drivers have connections of their own. */
  readonly #connections: Agent;
  /** What ends requests that are under way; no more than run and wait. */
  readonly #underWay = new Set<AbortController>();
  #driver: Promise<StorageDriver> | undefined;
  #closed = false;

  constructor(options: BoundedOptions) {
    this.#options = options;
    this.#requestMs = options.requestMs ?? 10_000;
    const max = options.maxRequests ?? 64;
    this.#slots = new Slots({ max, maxWaiting, what: "requests to the content storage" });
    this.#connections = new Agent({ connections: max, connect: { timeout: connectMs } });
  }

  info(place: ObjectPlace, signal: AbortSignal): Promise<ObjectInfo | undefined> {
    return this.#attempt(place, signal, async (driver, limit) => driver.info(place, limit));
  }

  sign(place: ObjectPlace, signal: AbortSignal): Promise<string> {
    return this.#attempt(place, signal, async (driver) => driver.sign(place));
  }

  read(place: ObjectPlace, maxBytes: number, signal: AbortSignal): Promise<Buffer> {
    return this.#attempt(place, signal, async (driver, limit) => download(await driver.sign(place), maxBytes, { signal: limit, dispatcher: this.#connections }));
  }

  /** Closes connections. What is under way ends with an error. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const stop of this.#underWay) stop.abort();
    const driver = await this.#driver?.catch(() => undefined);
    driver?.close();
    await this.#connections.destroy();
  }

  async #attempt<T>(place: ObjectPlace, signal: AbortSignal, work: (driver: StorageDriver, limit: AbortSignal) => Promise<T>): Promise<T> {
    const stop = new AbortController();
    const limit = deadline(this.#options.clock, this.#requestMs, AbortSignal.any([signal, stop.signal]));
    const { promise: aborted, reject } = Promise.withResolvers<never>();
    const abort = (): void => reject(new Error("aborted"));
    limit.signal.addEventListener("abort", abort, { once: true });
    this.#underWay.add(stop);
    try {
      // The place is taken until the work has ended, also if nobody waits for it any more: not every library can be interrupted.
      const working = this.#slots.run(limit.signal, async () => work(await this.#open(), limit.signal));
      return await Promise.race([working, aborted]);
    } catch (error) {
      if (signal.aborted) throw new WsmanError("CANCELLED", "the call was cancelled, or its deadline has passed");
      if (stop.signal.aborted) throw ending();
      if (limit.signal.aborted) throw unavailable(place, `no answer within ${this.#requestMs} ms`);
      if (error instanceof WsmanError) throw error;
      throw unavailable(place, reasonOf(error));
    } finally {
      this.#underWay.delete(stop);
      limit.signal.removeEventListener("abort", abort);
      limit.cancel();
    }
  }

  async #open(): Promise<StorageDriver> {
    if (this.#closed) throw ending();
    const opening = (this.#driver ??= this.#options.open());
    try {
      return await opening;
    } catch (error) {
      if (this.#driver === opening) this.#driver = undefined;
      throw error;
    }
  }
}

function ending(): WsmanError {
  return new WsmanError("UNAVAILABLE", "the daemon is ending");
}

/** Without the cause: libraries' errors hold requests, with their signatures. */
function unavailable({ bucket, object }: ObjectPlace, why: string): WsmanError {
  return new WsmanError("UNAVAILABLE", `the content storage can not be asked for ${bucket}/${object}: ${why}`);
}

async function download(url: string, maxBytes: number, options: { readonly signal: AbortSignal; readonly dispatcher: Dispatcher }): Promise<Buffer> {
  const { statusCode, headers, body } = await request(url, options);
  // What breaks is told to whoever reads; what is given up here is told to nobody.
  body.on("error", () => undefined);
  if (statusCode !== 200) {
    // A 404 as well is an error, whatever its body says: the object was seen before.
    await body.dump({ limit: 4096, signal: options.signal }).catch(() => undefined);
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
