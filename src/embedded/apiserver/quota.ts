/** How much the cluster holds: objects and bytes of their JSON, bounded as etcd's quota bounds a real one. */
import { ApiError } from "./errors.ts";
import type { Version } from "./version.ts";

/** Bounds of what is stored, the history apart. At a bound nothing grows any more; deletions make room. */
export interface QuotaLimits {
  readonly objects: number;
  readonly bytes: number;
}

/** The account. */
export class Quota {
  readonly #limits: QuotaLimits;
  #objects = 0;
  #bytes = 0;

  constructor(limits: QuotaLimits) {
    this.#limits = limits;
  }

  get objects(): number {
    return this.#objects;
  }

  /** Bytes of the objects' JSON. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Throws ApiError 507 if there is no room for the new version; one that is no larger than the old always fits. */
  check(version: Version, previous: Version | undefined): void {
    const growth = version.size - (previous?.size ?? 0);
    if (!previous && this.#objects >= this.#limits.objects) throw full(`${this.#limits.objects} objects`);
    if (growth > 0 && this.#bytes + growth > this.#limits.bytes) throw full(`${this.#limits.bytes} bytes`);
  }

  /** Takes a change into account. */
  add(version: Version, previous: Version | undefined): void {
    const stays = version.change !== "DELETED";
    this.#objects += Number(stays) - Number(previous !== undefined);
    this.#bytes += (stays ? version.size : 0) - (previous?.size ?? 0);
  }
}

function full(what: string): ApiError {
  return new ApiError(507, "InsufficientStorage", `the built-in cluster is full: it holds ${what} at most; delete some objects`);
}
