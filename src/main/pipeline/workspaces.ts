/** The read side: workspaces as frames, from memory, evicted ones rebuilt on the way. */
import { matches, matchesAll, type Filter } from "../state/filter.ts";
import { framesOf, type Frames } from "../state/frame-list.ts";
import type { Caller, Described, WorkspaceReader } from "../state/reader.ts";
import { lastActivityOf, type WorkspaceRecord } from "../state/registry.ts";
import type { StateStore } from "../state/store.ts";
import { WsmanError } from "../../domain/errors.ts";
import type { Rereader } from "./reread.ts";

/** Serves the RPC handlers. */
export class Workspaces implements WorkspaceReader {
  readonly #store: StateStore;
  readonly #rereader: Rereader;

  constructor(store: StateStore, rereader: Rereader) {
    this.#store = store;
    this.#rereader = rereader;
  }

  get synced(): boolean {
    return this.#store.synced;
  }

  /** All frames are of one moment, but for those that have to be rebuilt: these may be newer. */
  async collect(filter: Filter, signal: AbortSignal): Promise<Frames> {
    const all = matchesAll(filter) ? this.#store.registry.allFrames() : undefined;
    if (all) return all;
    const frames: Buffer[] = [];
    const evicted: WorkspaceRecord[] = [];
    for (const record of this.#store.registry.records()) {
      if (!matches(filter, record.facts)) continue;
      // Not through the cache: this is no use of it, and looking thousands of IDs up costs many times as much.
      if (record.frame) frames.push(record.frame);
      else evicted.push(record);
    }
    return framesOf(evicted.length === 0 ? frames : await this.#withEvicted(frames, evicted, { filter, signal }));
  }

  describe(id: string, caller: Caller): Described | undefined | Promise<Described | undefined> {
    const record = this.#store.registry.byId(id);
    const frame = this.#store.cache.get(id);
    if (frame || !record) return frame && { frame, lastActivity: record && lastActivityOf(record) };
    return this.#describeEvicted(id, caller.signal);
  }

  async #describeEvicted(id: string, signal: AbortSignal): Promise<Described | undefined> {
    const rebuilt = await abortable(() => this.#rereader.rebuild(id), signal);
    // One that has ended meanwhile can be described still.
    const frame = rebuilt ?? this.#store.cache.get(id);
    const record = this.#store.registry.byId(id);
    return frame && { frame, lastActivity: record && lastActivityOf(record) };
  }

  async #withEvicted(frames: readonly Buffer[], evicted: readonly WorkspaceRecord[], { filter, signal }: { readonly filter: Filter; readonly signal: AbortSignal }): Promise<Buffer[]> {
    const rebuilt = await abortable(() => Promise.all(evicted.map((record) => this.#rebuiltIf(filter, record))), signal);
    return [...frames, ...rebuilt.filter((frame) => frame !== undefined)];
  }

  /** It may have ended meanwhile, and the ID been used for another workspace. */
  async #rebuiltIf(filter: Filter, record: WorkspaceRecord): Promise<Buffer | undefined> {
    const frame = await this.#rereader.frameToTell(record);
    const now = this.#store.registry.byId(record.facts.id);
    return now && matches(filter, now.facts) ? frame : undefined;
  }
}

/** What the work gives, or UNAVAILABLE as soon as the caller has gone. What was begun for it goes on, for the others that wait. */
async function abortable<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
  const late = (): WsmanError => new WsmanError("UNAVAILABLE", "evicted statuses could not be read again in time");
  if (signal.aborted) throw late();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(late());
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([work(), aborted]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
