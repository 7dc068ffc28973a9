/** Removes pods that a run of the load tool has made, or has had made, also those that a workspace manager holds back. */
import { messageOf } from "../../domain/errors.ts";

/** Times that pods are looked for until there are none; those that are still being made come a little later. */
const removals = 5;

/** What is done with the pods of a namespace. Each rejects if it can not be done. */
export interface PodActions {
  /** Deletes the pods that a label selector selects, in one request. */
  deleteAll(selector: string): Promise<void>;
  /** Gives the names of those that are there. */
  names(selector: string): Promise<readonly string[]>;
  /** Takes all finalizers away from a pod; of one that is gone there is nothing to take. */
  letGo(name: string): Promise<void>;
  /** Runs tasks a few at a time. */
  each(count: number, task: (i: number) => Promise<void>): Promise<void>;
}

/**
 * Removes the pods that a label selector selects, until there are none. A workspace manager that acts gives each pod that runs its finalizer, and holds it until its content
 * is saved: no one ever saves one of ours, so finalizers are taken away.
 * @throws Error if something can not be done, or pods come again and again.
 */
export async function removePods(pods: PodActions, selector: string): Promise<void> {
  let problem: string | undefined;
  for (let i = 0; i < removals; i++) {
    await pods.deleteAll(selector);
    const left = await pods.names(selector);
    if (left.length === 0) return;
    problem = undefined;
    // One that can not be let go keeps none of the others from going.
    await pods.each(left.length, async (n) => pods.letGo(left[n] ?? "").catch((error: unknown) => void (problem ??= messageOf(error))));
  }
  const left = await pods.names(selector);
  if (left.length > 0) throw new Error(problem ?? `pods (label ${selector}) come again and again`);
}
