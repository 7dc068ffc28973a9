/** The read side: workspaces as frames, from memory, evicted ones rebuilt on the way. */
import { matches, type Filter } from "../state/filter.ts";
import type { WorkspaceReader } from "../state/reader.ts";
import type { WorkspaceRecord } from "../state/registry.ts";
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

  async collect(filter: Filter, signal: AbortSignal): Promise<Buffer[]> {
    const frames: Buffer[] = [];
    const evicted: WorkspaceRecord[] = [];
    for (const record of this.#store.registry.records()) {
      if (!matches(filter, record.facts)) continue;
      const frame = this.#store.cache.peek(record.facts.id);
      if (frame) frames.push(frame);
      else evicted.push(record);
    }
    if (evicted.length === 0) return frames;
    const rebuilt = await abortable(() => Promise.all(evicted.map(async (record) => this.#rereader.frame(record))), signal);
    for (const frame of rebuilt) if (frame) frames.push(frame);
    return frames;
  }

  async describe(id: string, signal: AbortSignal): Promise<{ frame: Buffer; lastActivity: number | undefined } | undefined> {
    const record = this.#store.registry.byId(id);
    const frame = record ? await abortable(async () => this.#rereader.frame(record), signal) : this.#store.cache.get(id);
    return frame && { frame, lastActivity: record?.facts.lastActivity };
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
