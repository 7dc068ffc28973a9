/** Reads a complete list in pages and hands its items to a sink while they arrive. */
import type { Clock } from "../../domain/clock.ts";
import type { Requester } from "./client.ts";
import { failure } from "./client.ts";
import { KubeError } from "./errors.ts";
import type { ListMetadata } from "./items.ts";
import { ItemScanner } from "./items.ts";
import type { ReflectorSink } from "./sink.ts";

/** What to list, and its bounds. */
export interface ListOptions {
  readonly client: Requester;
  readonly clock: Clock;
  readonly path: string;
  readonly query: Readonly<Record<string, string | undefined>>;
  readonly sink: ReflectorSink;
  readonly signal: AbortSignal;
  /** Items a page. Our memory does not depend on it: items are handed on as they come. */
  readonly pageSize: number;
  readonly maxItemBytes: number;
  /** Silence allowed within a page, milliseconds. */
  readonly idleMs: number;
  /** Called with the list's resourceVersion, before the first item if the server sends it there; throws to refuse the list. True: the store was set back. */
  readonly accept: (resourceVersion: string) => boolean;
  /** Something arrived. */
  readonly heard: () => void;
}

/** Pages of one list; a server that always has one more does not keep us for ever. */
const maxPages = 10_000;

/**
 * Lists everything: listStarted, the items, listFinished; or listAborted and a KubeError. Nothing is called if the server refuses the first page.
 * Resolves with the list's resourceVersion, at which a watch continues. Pages after the first come from the same snapshot; if that is gone (410) the whole list fails.
 * No resourceVersion is sent: the answer is then consistent with the store, not an older state of some API server's cache.
 */
export async function listInto(options: ListOptions): Promise<string> {
  const run = new ListRun(options);
  try {
    return await run.all();
  } catch (error) {
    run.abort();
    throw error;
  }
}

class ListRun {
  readonly #options: ListOptions;
  #started = false;
  #version: string | undefined;

  constructor(options: ListOptions) {
    this.#options = options;
  }

  async all(): Promise<string> {
    let token: string | undefined;
    for (let page = 0; page < maxPages; page++) {
      const metadata = await this.#page(token);
      this.#begin(metadata);
      if (metadata.continue === undefined) return this.#finish();
      if (metadata.continue === token) break;
      token = metadata.continue;
    }
    throw new KubeError(`list of ${this.#options.path} does not end`, { status: 0, reason: "Malformed" });
  }

  abort(): void {
    if (this.#started) this.#options.sink.listAborted();
  }

  async #page(token: string | undefined): Promise<ListMetadata> {
    const { client, path, query, pageSize, signal, clock, sink, idleMs, heard } = this.#options;
    const response = await client.request({ method: "GET", path, query: { ...query, limit: String(pageSize), continue: token }, signal });
    if (response.status !== 200) throw await failure(response, clock);
    const scanner = new ItemScanner((item) => {
      if (!this.#started) this.#begin(scanner.metadata);
      return sink.item(item);
    }, this.#options.maxItemBytes);
    await response.body.pump((chunk) => {
      heard();
      return scanner.push(chunk);
    }, idleMs);
    return scanner.finish();
  }

  /** Runs for the first item and at the end of each page, whichever knows more. */
  #begin(metadata: ListMetadata | undefined): void {
    const version = metadata?.resourceVersion;
    let setBack = false;
    if (this.#version === undefined && version !== undefined) {
      setBack = this.#options.accept(version);
      this.#version = version;
    }
    if (!this.#started) {
      this.#started = true;
      this.#options.sink.listStarted(setBack);
    }
  }

  #finish(): string {
    if (this.#version === undefined) throw new KubeError(`list of ${this.#options.path} has no resourceVersion`, { status: 0, reason: "Malformed" });
    this.#options.sink.listFinished(this.#version);
    this.#started = false;
    return this.#version;
  }
}
