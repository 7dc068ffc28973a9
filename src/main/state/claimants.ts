/** Pods that claim an ID that another pod has: which of the two it belongs to, and who waits for it to become free. */
import type { WorkspaceResult } from "../../domain/messages.ts";
import { compareVersions } from "../../domain/versions.ts";
import type { StateHooks } from "./hooks.ts";
import type { Registry, WorkspaceRecord } from "./registry.ts";

/** At the bound, a pod that waits is found by its next change instead. */
const maxWaiting = 1000;

/** Of each ID, the last one to ask waits. */
export class Claimants {
  readonly #options: Pick<Registry, "bury"> & Pick<StateHooks, "conflict">;
  readonly #podNames = new Map<string, string>();

  constructor(options: Pick<Registry, "bury"> & Pick<StateHooks, "conflict">) {
    this.#options = options;
  }

  /** A pod claims the ID of another one; it may have it if that is the older one of the same name. False: the pod is left aside. */
  mayReplace(other: WorkspaceRecord, result: WorkspaceResult): boolean {
    if (other.facts.podName !== result.facts.podName) {
      this.wait(result);
      return false;
    }
    // Of two pods of one name the newer has taken the older one's place, whether or not we were told.
    if (compareVersions(result.resourceVersion, other.resourceVersion) >= 0) return true;
    this.#options.bury(result.uid);
    return false;
  }

  /** The ID is free: the pod whose turn it is, undefined if none waits. */
  take(id: string): string | undefined {
    const next = this.#podNames.get(id);
    this.#podNames.delete(id);
    return next;
  }

  /** A pod waits until the ID that it claims is free. */
  wait({ uid, removed, facts: { id, podName } }: WorkspaceResult): void {
    if (removed) {
      if (this.#podNames.get(id) === podName) this.#podNames.delete(id);
      this.#options.bury(uid);
    } else if (this.#podNames.size < maxWaiting) this.#podNames.set(id, podName);
    this.#options.conflict(id, podName);
  }
}
