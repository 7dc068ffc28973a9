/** The objects of one resource, by key and in the order of lists. */
import type { Version } from "./version.ts";

/** The collection. */
export class Collection {
  readonly #versions = new Map<string, Version>();
  #sorted: readonly string[] | undefined;

  get size(): number {
    return this.#versions.size;
  }

  get(key: string): Version | undefined {
    return this.#versions.get(key);
  }

  set(version: Version): void {
    if (!this.#versions.has(version.key)) this.#sorted = undefined;
    this.#versions.set(version.key, version);
  }

  delete(key: string): void {
    if (this.#versions.delete(key)) this.#sorted = undefined;
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

/** The order of keys in lists. */
export function compareKeys(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
