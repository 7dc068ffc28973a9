/** What was told of the use of pods that are gone: of an ID that was used again it may be meant for the later pod, if the replica that was told is behind (spec: api, MarkActive). */
import { LRUCache } from "lru-cache";
import { wsman } from "../../gen/proto.js";
import type { WorkspaceRecord } from "../state/registry.ts";

const { STOPPED } = wsman.WorkspacePhase;

/** So many IDs are kept, those of the latest; what was told of others is lost. */
const maxIds = 10_000;

/** Times of activity that was not written before its pod went. */
export class Bequests {
  /** By ID. */
  readonly #left = new LRUCache<string, { readonly uid: string; readonly at: number }>({ max: maxIds });

  /** The pod is gone. @param at when activity was told last of it, Unix milliseconds. */
  leave({ uid, facts: { id } }: WorkspaceRecord, at: number): void {
    this.#left.set(id, { uid, at });
  }

  /** Gives the activity that was told when this pod was there already, but not known here, once; undefined: there was none, or none later than what is known. */
  take({ uid, facts, activeAt = Number.NEGATIVE_INFINITY }: WorkspaceRecord): number | undefined {
    if (this.#left.size === 0 || facts.phase === STOPPED) return undefined;
    const left = this.#left.get(facts.id);
    // Changes of the pod that is gone may still be to come.
    if (!left || left.uid === uid) return undefined;
    this.#left.delete(facts.id);
    return left.at >= facts.createdAt && left.at > activeAt ? left.at : undefined;
  }
}
