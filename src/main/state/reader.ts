/** What the RPC handlers read: workspaces as encoded frames. */
import type { Filter } from "./filter.ts";

/** Reads workspaces from memory; evicted frames are rebuilt behind it. */
export interface WorkspaceReader {
  /** False until the first complete list from the API server was applied. */
  readonly synced: boolean;
  /**
   * Frames of all live workspaces that match. See frame.ts.
   * Rejects with a WsmanError (UNAVAILABLE) if an evicted one can not be rebuilt before the signal aborts.
   */
  collect(filter: Filter, signal: AbortSignal): Promise<Buffer[]>;
  /** The frame of one workspace, live or lately stopped; undefined if there is none. */
  describe(id: string, signal: AbortSignal): Promise<{ frame: Buffer; lastActivity: number | undefined } | undefined>;
}
