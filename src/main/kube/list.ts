/** Reads a complete list in pages and hands its items to a sink while they arrive. */
import type { Clock } from "../../domain/clock.ts";
import type { Requester } from "./client.ts";
import { failure } from "./client.ts";
import { KubeError } from "./errors.ts";
import type { ListMetadata } from "./items.ts";
import { ItemScanner } from "./items.ts";
import type { ReflectorSink } from "./sink.ts";
import { compareVersions } from "../../domain/versions.ts";

/** What to list, and its bounds. */
export interface ListOptions {
  readonly client: Requester;
  readonly clock: Clock;
  readonly path: string;
  readonly query: Readonly<Record<string, string | undefined>>;
  readonly sink: ReflectorSink;
  readonly signal: AbortSignal;
  /** Items of the first page and of every other one. Our memory does not depend on it: items are handed on as they come. */
  readonly firstPageSize: number;
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
 * Pages after the first come from the same snapshot; if that is gone (410) the whole list fails. A page from a later one does no harm, since a watch from the list's own version
 * tells what lies between the two; one from an earlier one would bring back what is gone, and makes the list fail.
 * No resourceVersion is sent: the answer is then consistent with the store, not an older state of some API server's cache.
 */
export async function listInto(options: ListOptions): Promise<void> {
  const run = new ListRun(options);
  try {
    await run.all();
  } catch (error) {
    run.abort();
    throw error;
  }
}

class ListRun {
  readonly #options: ListOptions;
  #started = false;
  #over = false;
  #version: string | undefined;

  constructor(options: ListOptions) {
    this.#options = options;
  }

  async all(): Promise<void> {
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
    this.#over = true;
    if (this.#started) this.#options.sink.listAborted();
  }

  async #page(token: string | undefined): Promise<ListMetadata> {
    const { client, path, query, firstPageSize, pageSize, signal, clock, sink, idleMs, heard } = this.#options;
    const limit = token === undefined ? Math.min(firstPageSize, pageSize) : pageSize;
    const response = await client.request({ method: "GET", long: true, path, query: { ...query, limit: String(limit), continue: token }, signal });
    if (response.status !== 200) throw await failure(response, clock);
    let looked = false;
    const scanner: ItemScanner = new ItemScanner((item) => {
      // What was held back when the list broke off must not count for the next one.
      if (this.#over) return undefined;
      if (!looked) this.#begin(scanner.metadata);
      looked = true;
      return sink.item(item);
    }, this.#options.maxItemBytes);
    await response.body.pump((chunk) => {
      heard();
      return scanner.push(chunk);
    }, idleMs);
    return scanner.finish();
  }

  /** Runs for the first item of each page and at its end, whichever knows more. */
  #begin(metadata: ListMetadata | undefined): void {
    const version = metadata?.resourceVersion;
    let setBack = false;
    if (this.#version !== undefined && version !== undefined) this.#checkPage(version, this.#version);
    if (this.#version === undefined && version !== undefined) {
      setBack = this.#options.accept(version);
      this.#version = version;
    }
    if (!this.#started) {
      this.#started = true;
      this.#options.sink.listStarted(setBack, version);
    }
  }

  #checkPage(version: string, first: string): void {
    if (compareVersions(version, first) < 0) throw new KubeError(`a page of resourceVersion ${version} in a list of ${first}`, { status: 0, reason: "Stale" });
  }

  #finish(): void {
    if (this.#version === undefined) throw new KubeError(`list of ${this.#options.path} has no resourceVersion`, { status: 0, reason: "Malformed" });
    this.#options.sink.listFinished(this.#version);
    this.#started = false;
  }
}
