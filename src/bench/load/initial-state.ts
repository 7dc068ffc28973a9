/** Tells when subscribers that ask for the initial state have it: every workspace that is known to be there, whatever else there is, and whatever changes meanwhile. */

/** What all subscribers of a run wait for. */
export class InitialStates {
  readonly #places: ReadonlyMap<string, number>;

  /** @param ids the workspaces that are there. */
  constructor(ids: readonly string[]) {
    this.#places = new Map(ids.map((id, place) => [id, place]));
  }

  /** For one more subscriber. */
  begin(): InitialState {
    return new InitialState(this.#places);
  }
}

/** What one subscriber has of it: a byte a workspace, until it is complete. */
export class InitialState {
  readonly #places: ReadonlyMap<string, number>;
  #came: Uint8Array | undefined;
  #missing: number;

  /** @param places each workspace's own number, from 0. */
  constructor(places: ReadonlyMap<string, number>) {
    this.#places = places;
    this.#missing = places.size;
    this.#came = new Uint8Array(places.size);
  }

  get complete(): boolean {
    return this.#missing === 0;
  }

  /** A status came. Gives whether it is the one that completes the initial state. */
  take(id: string): boolean {
    const place = this.#places.get(id);
    if (place === undefined || this.#came?.[place] !== 0) return false;
    this.#came[place] = 1;
    if (--this.#missing > 0) return false;
    this.#came = undefined;
    return true;
  }
}
