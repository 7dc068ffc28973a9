/** Starts whose end was told although a pod of theirs could still be told of: by a watch that is behind. Nothing follows the end. */
import { LRUCache } from "lru-cache";
import type { WorkspaceFacts } from "../../domain/messages.ts";
import { isSameStart } from "./records.ts";

/** At the bound the oldest is forgotten: a late line about it would tell of its workspace once more, from the beginning to the end. */
const maxStarts = 1_000;

/** Of each ID, the last start that was given up. */
export class GivenUp {
  readonly #starts = new LRUCache<string, Pick<WorkspaceFacts, "start" | "createdAt">>({ max: maxStarts });

  /** The workspace has ended. */
  add({ id, start, createdAt }: WorkspaceFacts): void {
    this.#starts.set(id, { start, createdAt });
  }

  /** Whether these are facts of a start that was given up. */
  has(facts: WorkspaceFacts): boolean {
    if (this.#starts.size === 0) return false;
    const start = this.#starts.get(facts.id);
    return start !== undefined && isSameStart(facts, start);
  }
}
