/** Where a watch continues, and whether what the server offers is older than what we have seen. */
import { KubeError } from "./errors.ts";
import { compareVersions } from "../../domain/versions.ts";

/**
 * The resourceVersion to continue at, and the newest one ever seen.
 * A list older than that comes from an API server that lags behind its store, or from a store that was set back (etcd restored from a backup). The first passes, so such a list is
 * refused and asked for again; the second does not, so after `tries` refusals in a row whose versions never fell it is accepted, and what it says counts from then on.
 */
export class ResumePoint {
  readonly #tries: number;
  #version: string | undefined;
  #newest: string | undefined;
  #refused = 0;
  #lastRefused: string | undefined;
  #setBack = false;

  constructor(tries: number) {
    this.#tries = tries;
  }

  /** Where the next watch starts; undefined if a list is needed first. */
  get version(): string | undefined {
    return this.#version;
  }

  /** The newest version seen; a list that is asked for from now on must not be older. */
  get newest(): string | undefined {
    return this.#newest;
  }

  /**
   * Throws a retryable KubeError (reason "Stale") if a list is older than what was seen. True: the store was set back; it is older and was accepted all the same, or `setBack` said so.
   * @param seen {@link newest} when the list was asked for: a watch beside it may have seen newer ones since, and rightly so.
   */
  acceptList(version: string, seen: string | undefined): boolean {
    if (!this.#setBack) {
      if (seen === undefined || !isLess(version, seen)) {
        this.#refused = 0;
        return false;
      }
      if (this.#lastRefused !== undefined && isLess(version, this.#lastRefused)) this.#refused = 0;
      this.#lastRefused = version;
      if (++this.#refused <= this.#tries) throw new KubeError(`list of resourceVersion ${version} is older than ${seen}, which was seen before`, { status: 0, reason: "Stale" });
    }
    this.#setBack = false;
    this.#refused = 0;
    this.#newest = version;
    return true;
  }

  /** A list as of this version is read: a watch may begin there. */
  startAt(version: string): void {
    this.#version = version;
    this.#see(version);
  }

  /** The watch has sent everything up to this version. Throws a KubeError (reason "WentBack") if that is older than where it started, or has sent everything up to already. */
  bookmark(version: string): void {
    if (this.#version !== undefined && isLess(version, this.#version)) {
      throw new KubeError(`bookmark ${version} is older than ${this.#version}: the store was set back`, { status: 0, reason: "WentBack" });
    }
    this.#version = version;
    this.#see(version);
  }

  /** Everything up to this version has taken effect. */
  reached(version: string): void {
    if (this.#version !== undefined && !isLess(version, this.#version)) this.#version = version;
    this.#see(version);
  }

  /** A list is needed. */
  forget(): void {
    this.#version = undefined;
  }

  /** The store was set back, whatever its versions say: the next list counts. */
  setBack(): void {
    this.#setBack = true;
  }

  #see(version: string): void {
    if (this.#newest === undefined || !isLess(version, this.#newest)) this.#newest = version;
  }
}

/** Versions that are no numbers are never less. */
function isLess(a: string, b: string): boolean {
  return compareVersions(a, b) < 0;
}
