/** What a subscriber that asks for the initial state is owed, and whether it gets it: measured by what another subscriber was told before. */
import { stoppedPhase } from "./frame.ts";

/** What a subscriber that stays all the time knows: the newest version of each workspace that is not stopped. */
export class Knowledge {
  readonly #versions = new Map<string, number>();

  /** A status came. */
  take(id: string, version: number, phase: number): void {
    if (phase === stoppedPhase) this.#versions.delete(id);
    else this.#versions.set(id, version);
  }

  /** A copy of what is known now. */
  snapshot(): Map<string, number> {
    return new Map(this.#versions);
  }
}

/** One subscriber that comes: from when it subscribes, it is owed each workspace that is known then, at least in the version that is known. */
export class Visit {
  /** The same version of a workspace again; and an older one after a newer one. */
  repeated = 0;
  reordered = 0;
  readonly #owed: Map<string, number>;
  readonly #seen = new Map<string, number>();

  /** @param owed becomes the visit's own. */
  constructor(owed: Map<string, number>) {
    this.#owed = owed;
  }

  /** Nothing is owed any more. */
  get complete(): boolean {
    return this.#owed.size === 0;
  }

  /** How many workspaces are owed, and one of them, for people. */
  get missing(): string {
    const [first] = this.#owed;
    return first ? `${this.#owed.size} of the statuses that were known before it came, among them ${first[0]} at version ${first[1]} (had: ${this.#seen.get(first[0]) ?? "none"})` : "nothing";
  }

  take(id: string, version: number): void {
    const before = this.#seen.get(id) ?? -1;
    if (version === before) this.repeated++;
    else if (version < before) this.reordered++;
    else this.#seen.set(id, version);
    const owed = this.#owed.get(id);
    if (owed !== undefined && version >= owed) this.#owed.delete(id);
  }

  /** The workspace was told as stopped elsewhere, perhaps before this subscriber came: then nothing is owed of it. */
  stopped(id: string): void {
    this.#owed.delete(id);
  }
}
