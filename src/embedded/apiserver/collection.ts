/** The objects of one resource, by key and in the order of lists. */
import type { Version } from "./version.ts";

/** The collection. */
export class Collection {
  readonly #versions = new Map<string, Version>();
  /** Keys in order; made by the first list, then kept in order. */
  #sorted: string[] | undefined;

  get size(): number {
    return this.#versions.size;
  }

  get(key: string): Version | undefined {
    return this.#versions.get(key);
  }

  set(version: Version): void {
    if (!this.#versions.has(version.key)) this.#sorted?.splice(placeOf(this.#sorted, version.key), 0, version.key);
    this.#versions.set(version.key, version);
  }

  delete(key: string): void {
    if (this.#versions.delete(key)) this.#sorted?.splice(placeOf(this.#sorted, key), 1);
  }

  /** All in the order of their keys; of one namespace if given. */
  list(namespace?: string): Version[] {
    this.#sorted ??= [...this.#versions.keys()].sort(compareKeys);
    const result: Version[] = [];
    const prefix = namespace === undefined ? "" : `${namespace}/`;
    for (const key of this.#sorted) {
      const version = key.startsWith(prefix) ? this.#versions.get(key) : undefined;
      if (version) result.push(version);
    }
    return result;
  }
}

/** Index of the first key that is not before the given one. */
function placeOf(sorted: readonly string[], key: string): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareKeys(sorted[middle] ?? "", key) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The order of keys in lists. */
export function compareKeys(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
