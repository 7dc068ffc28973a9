/** Pods that wait for their ID to become free, since another pod has it. */

/** At the bound, a pod that waits is found by its next change instead. */
const maxWaiting = 1000;

/** One for each ID: the last one to ask. */
export class Claimants {
  readonly #podNames = new Map<string, string>();

  /** The pod waits. */
  add(id: string, podName: string): void {
    if (this.#podNames.size < maxWaiting) this.#podNames.set(id, podName);
  }

  /** The pod does not wait any more. */
  remove(id: string, podName: string): void {
    if (this.#podNames.get(id) === podName) this.#podNames.delete(id);
  }

  /** The ID is free: the pod whose turn it is, undefined if none waits. */
  take(id: string): string | undefined {
    const next = this.#podNames.get(id);
    this.#podNames.delete(id);
    return next;
  }
}
