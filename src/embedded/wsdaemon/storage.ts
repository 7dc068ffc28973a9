/** The object storage of the built-in cluster: where node daemons put snapshots, backups and logs. Only names are kept. */

/** What is stored. */
export type ObjectKind = "snapshot" | "backup" | "logs";

/** Most objects; the oldest goes. */
const maxObjects = 10_000;
const bucket = "@embedded";

/** One bucket for all nodes. */
export class ObjectStorage {
  readonly #urls = new Set<string>();
  readonly #numbers = new Map<ObjectKind, number>();

  /** A location that no other object has or will have. */
  locationFor(kind: ObjectKind, { owner, metaId }: { readonly owner: string; readonly metaId: string }): string {
    const number = (this.#numbers.get(kind) ?? 0) + 1;
    this.#numbers.set(kind, number);
    return `workspaces/${owner}/${metaId}/${kind}-${number}.tar${bucket}`;
  }

  /** Stores an object. */
  put(url: string): void {
    const oldest = this.#urls.size >= maxObjects ? this.#urls.values().next().value : undefined;
    if (oldest !== undefined) this.#urls.delete(oldest);
    this.#urls.add(url);
  }

  /** Whether it would have to be here, and is not. */
  lacks(url: string): boolean {
    return url.endsWith(bucket) && !this.#urls.has(url);
  }

  /** All locations, the oldest first. */
  urls(): readonly string[] {
    return [...this.#urls];
  }
}
