/** What failed starts have left, until it is gone: what is being cleaned up, and what ends by itself (spec: api, StartWorkspace). */
import { LRUCache } from "lru-cache";
import type { WorkspaceStart } from "../render/start.ts";
import type { Creation, Tokens } from "./creation.ts";

/** Pods of failed starts that end by themselves. */
const maxEnding = 1_000;

/** Of all starts. There is one clean-up for each ID at a time. */
export class FailedStarts {
  readonly #creation: Pick<Creation, "clean">;
  /** By owner token: clean-ups, which the same request again need not wait for. */
  readonly #cleaning = new Map<string, AbortController>();
  /** Those whose pod is there until it has ended by itself: who starts the same again gets new ones. */
  readonly #spent = new WeakSet<Tokens>();
  /** Their pods, by uid: no build joins them. The one noted first is forgotten. */
  readonly #ending = new LRUCache<string, true>({ max: maxEnding });

  constructor(creation: Pick<Creation, "clean">) {
    this.#creation = creation;
  }

  /** Takes away what a start with these tokens has made, as {@link Creation.clean} does. Never rejects. */
  async clean(start: WorkspaceStart, tokens: Tokens): Promise<void> {
    const again = new AbortController();
    this.#cleaning.set(tokens.owner, again);
    const uid = await this.#creation.clean(start, tokens, again.signal);
    if (uid !== undefined) {
      this.#spent.add(tokens);
      this.#ending.set(uid, true);
    }
    this.#cleaning.delete(tokens.owner);
  }

  /** A start with these tokens follows: what may still come is that one's. */
  startsAgain({ owner }: Tokens): void {
    this.#cleaning.get(owner)?.abort();
  }

  /** Whether a pod with these tokens was there, and ends by itself. */
  isSpent(tokens: Tokens): boolean {
    return this.#spent.has(tokens);
  }

  /** Whether a pod is what a failed start has left, as far as is known yet. */
  hasLeft(uid: string, ownerToken: string): boolean {
    return this.#ending.has(uid) || this.#cleaning.has(ownerToken);
  }

  /** A pod is gone for good. */
  forget(uid: string): void {
    this.#ending.delete(uid);
  }
}
