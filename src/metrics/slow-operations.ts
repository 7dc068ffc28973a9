/** The slowest operations lately, for people who look: the few slowest of each kind, of the last quarter of an hour. */

/** What can be slow, and from how many seconds on it is worth a look. What takes long by its nature begins where a user would notice. */
export const slowFrom = {
  /** A workspace, from its creation to its first RUNNING. */
  start: 1,
  /** A node daemon's part in a start. */
  initialization: 1,
  /** The end of a workspace's content, backup included. */
  finalization: 1,
  "volume snapshot": 1,
  "volume restore": 1,
  /** A gRPC call to us; streams are long by their nature. */
  call: 0.25,
  /** A gRPC call of ours to a node daemon or the image builder. */
  "call of ours": 1,
  "API request": 0.25,
  /** A wait for the client-side rate budget. */
  "API budget": 0.1,
  /** A complete list. */
  list: 1,
  /** From a watch line's arrival to the publication of its status. */
  publication: 0.1,
  /** A worker's batch. */
  batch: 0.05,
  /** A pause of the main thread for garbage collection. */
  "GC pause": 0.025,
} as const;

/** A kind of operation. */
export type SlowKind = keyof typeof slowFrom;

/** One that was slow. */
export interface SlowOperation {
  readonly kind: SlowKind;
  /** In words of the code (a method, a verb and a resource, a type and a class of workspaces): no user, no text of a request. */
  readonly what: string;
  readonly seconds: number;
  /** When it had ended, Unix milliseconds. */
  readonly at: number;
  /** The workspace's ID, where it is about one. */
  readonly workspace: string | undefined;
}

/** Operations kept of each kind. */
export const keptPerKind = 4;
/** For how long, milliseconds. */
export const keptMs = 15 * 60_000;

const kinds = Object.keys(slowFrom).filter((kind): kind is SlowKind => Object.hasOwn(slowFrom, kind));

/** Keeps them. To note an operation that is not slow costs a comparison. */
export class SlowOperations {
  readonly #now: () => number;
  /** Slowest first. */
  readonly #kept = new Map<SlowKind, SlowOperation[]>(kinds.map((kind) => [kind, []]));

  /** @param now the wall clock, Unix milliseconds. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Something of the kind has just ended, after so many seconds. `what` is asked for only if it was slow. */
  note(kind: SlowKind, seconds: number, what: () => string, workspace?: string): void {
    // Also refuses what is no number.
    if (!(seconds >= slowFrom[kind])) return;
    const kept = this.#fresh(kind);
    const slower = kept.filter((other) => other.seconds >= seconds).length;
    if (slower < keptPerKind) kept.splice(slower, 0, { kind, what: what(), seconds, at: this.#now(), workspace });
    this.#kept.set(kind, kept.slice(0, keptPerKind));
  }

  /** All that are kept, by kind, the slowest of each first. */
  all(): readonly SlowOperation[] {
    return kinds.flatMap((kind) => this.#fresh(kind));
  }

  #fresh(kind: SlowKind): SlowOperation[] {
    const oldest = this.#now() - keptMs;
    return (this.#kept.get(kind) ?? []).filter(({ at }) => at >= oldest);
  }
}
