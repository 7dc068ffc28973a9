/** Has statuses derived again whose pods got Events, from what is held of the pods: one derivation per pod at a time, few at once. */
import { messageOf } from "../../domain/errors.ts";
import type { Log } from "../../domain/log.ts";

/** Derivations at the same time; what is held of a pod takes a few KiB. */
const concurrency = 64;

/** What it works with. */
export interface RederiverOptions {
  /** What is held of the pod with this uid, now. */
  readonly heldOf: (uid: string) => Uint8Array | undefined;
  /** Resolves once the derivation took effect. */
  readonly submit: (bytes: Uint8Array) => Promise<unknown>;
  readonly log: Log;
}

/** A queue of pods; each stands in it once, so that it is bounded by the number of live pods. */
export class Rederiver {
  readonly #options: RederiverOptions;
  readonly #waiting = new Set<string>();
  readonly #running = new Set<string>();

  constructor(options: RederiverOptions) {
    this.#options = options;
  }

  /** The pod's Events changed, or a status of it was derived without the newest ones. Pods on which no Event has a bearing cost nothing. */
  request(uid: string): void {
    if (!this.#options.heldOf(uid)) return;
    this.#waiting.add(uid);
    this.#next();
  }

  #next(): void {
    for (const uid of this.#waiting) {
      if (this.#running.size >= concurrency) return;
      // Asked for again while it runs: once more when it is done.
      if (this.#running.has(uid)) continue;
      this.#waiting.delete(uid);
      const held = this.#options.heldOf(uid);
      if (held) this.#run(uid, held);
    }
  }

  #run(uid: string, held: Uint8Array): void {
    this.#running.add(uid);
    const failed = (error: unknown): void => this.#options.log.error({ uid, error: messageOf(error) }, "a status could not be derived again");
    const done = (): void => {
      this.#running.delete(uid);
      this.#next();
    };
    this.#options.submit(held).catch(failed).finally(done);
  }
}
