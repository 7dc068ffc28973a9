/** What the RPC handlers read: workspaces as encoded frames. */
import type { Filter } from "./filter.ts";
import type { Frames } from "./frame-list.ts";

/** Who reads. The signal aborts when nobody waits for the answer any more; it is asked for only where there is something to wait for. */
export interface Caller {
  readonly signal: AbortSignal;
}

/** A workspace, live or lately stopped. */
export interface Described {
  readonly frame: Buffer;
  /** Unix milliseconds; undefined if there was none. */
  readonly lastActivity: number | undefined;
}

/** Reads workspaces from memory; evicted frames are rebuilt behind it. */
export interface WorkspaceReader {
  /** False until the first complete list from the API server was applied. */
  readonly synced: boolean;
  /**
   * Frames of all live workspaces that match. See frame.ts.
   * Rejects with a WsmanError (UNAVAILABLE) if an evicted one can not be rebuilt before the signal aborts.
   */
  collect(filter: Filter, signal: AbortSignal): Promise<Frames>;
  /** The frame of one workspace, live or lately stopped; undefined if there is none. At once where it is in memory; rejects as `collect` does. */
  describe(id: string, caller: Caller): Described | undefined | Promise<Described | undefined>;
}
