/** The bounds of a reflector. */

/** Times in milliseconds, sizes in bytes. */
export interface ReflectorLimits {
  /** Items of a list's first page: few, so that the list's resourceVersion, from which the watch runs, comes soon. Default 50. */
  readonly firstPageSize: number;
  /** Items of every other page. Default 500. */
  readonly pageSize: number;
  /** Silence within a page of a list. Default 30,000. */
  readonly listIdleMs: number;
  /** Silence on a watch, after which it is started anew. Bookmarks come about every minute, but not for Events and other objects without a watch cache. Default 90,000. */
  readonly silenceMs: number;
  /** A watch that ran for so long worked: delays start from the shortest again. Default 1,000. */
  readonly steadyMs: number;
  /** Delays between attempts: from here, default 200, … */
  readonly backoffBaseMs: number;
  /** … to here: default 10,000. */
  readonly backoffMaxMs: number;
  /** How long the sink may take to say what has taken effect, before the watch continues at the last version known for sure. Default 30,000. */
  readonly settleMs: number;
  /** The server is asked to end a watch after so many seconds, from here, default 270, … */
  readonly watchSeconds: number;
  /** … plus a random number up to this, default 40, so that not all watches of a cluster end at once. */
  readonly watchSecondsSpread: number;
  /** Longest line and longest item. Default 16 MiB. */
  readonly maxObjectBytes: number;
  /**
   * After so many watches in a row without a single line or bookmark the list is read again. Default 3. An API server whose store was set back (etcd restored from a backup)
   * accepts a watch at a version that lies in its future, and says nothing on it.
   */
  readonly quietWatches: number;
  /** A list that is older than what was seen is refused so many times. Default 5. */
  readonly staleTries: number;
}

/** Bounds that suit objects of which API servers keep a watch cache. */
export const defaultLimits: ReflectorLimits = {
  firstPageSize: 50,
  pageSize: 500,
  listIdleMs: 30_000,
  silenceMs: 90_000,
  steadyMs: 1_000,
  backoffBaseMs: 200,
  backoffMaxMs: 10_000,
  settleMs: 30_000,
  watchSeconds: 270,
  watchSecondsSpread: 40,
  maxObjectBytes: 16 << 20,
  quietWatches: 3,
  staleTries: 5,
};
