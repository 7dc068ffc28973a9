/** Starts of which no pod was to be found any more when their time was over, and whose end was told. Whoever still hears of such a pod is behind, or it was made late: it has to be looked at. */
import { LRUCache } from "lru-cache";
import type { Origin, WorkspaceFacts, WorkspaceResult } from "../../domain/messages.ts";
import type { StateHooks } from "./hooks.ts";
import { isSameStart } from "./records.ts";
import type { Registry } from "./registry.ts";

/** At the bound the oldest is forgotten: what is late about it tells of its workspace once more, from the beginning to the end. */
const maxStarts = 1_000;

/** Of each ID, the last start that was given up. */
export class GivenUp {
  readonly #options: Pick<Registry, "bury"> & Pick<StateHooks, "reread">;
  readonly #starts = new LRUCache<string, Pick<WorkspaceFacts, "start" | "createdAt">>({ max: maxStarts });

  constructor(options: Pick<Registry, "bury"> & Pick<StateHooks, "reread">) {
    this.#options = options;
  }

  /** The workspace has ended. */
  add({ id, start, createdAt }: WorkspaceFacts): void {
    this.#starts.set(id, { start, createdAt });
  }

  /**
   * Whether a pod that was not known may be told of. One of a start that was given up is history, most likely, and is read again: where a read finds it, it is there in spite of all, and whoever leads has to look after it.
   */
  admits({ uid, removed, facts }: WorkspaceResult, origin: Origin): boolean {
    const start = this.#starts.size === 0 ? undefined : this.#starts.get(facts.id);
    if (!start || !isSameStart(facts, start)) return true;
    if (removed) this.#options.bury(uid);
    else if (origin === "read") this.#starts.delete(facts.id);
    else this.#options.reread(facts.podName, uid);
    return !removed && origin === "read";
  }
}
