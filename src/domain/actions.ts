/** What the lifecycle controller is to do about a workspace; decided by workers, executed on the main thread (spec: lifecycle). */

/** One step. Each may be done again without harm; what would change nothing is not asked for. */
export type Action =
  /** Delete the pod. A pod that is already being deleted is deleted again only to shorten its grace period. */
  | { readonly action: "deletePod"; readonly gracePeriodSeconds: number }
  | { readonly action: "addFinalizer" }
  /** Put the finalizer on a pod that is to be deleted, and was used or has a claim: without one it would go before its content is saved, and leave the claim behind. */
  | { readonly action: "guardPod" }
  | { readonly action: "removeFinalizer" }
  | { readonly action: "setAnnotation"; readonly key: string; readonly value: string }
  | { readonly action: "removeAnnotation"; readonly key: string }
  /** Delete the pod and make it anew from its own spec: a node refused it before it ever ran. */
  | { readonly action: "recreatePod" }
  /** Make the workspace's pod from what stands here: the one before it is gone. */
  | { readonly action: "fillPlaceholder" }
  /** Have the node daemon put the content in place, once. */
  | { readonly action: "initializeContent" }
  /** Wait until the workspace answers, once; then remove never-ready. */
  | { readonly action: "waitForReady" }
  /** Back up and dispose of the content. `resume`: it began earlier, and the process that did it may be gone. */
  | { readonly action: "finalizeContent"; readonly resume: boolean }
  /** Delete the claim of a workspace that never became ready, unless it was there before. */
  | { readonly action: "deletePvc" };

/** Whether two lists ask for the same. */
export function sameActions(a: readonly Action[], b: readonly Action[]): boolean {
  if (a === b) return true;
  return a.length === b.length && (a.length === 0 || JSON.stringify(a) === JSON.stringify(b));
}

/** Of most workspaces there is nothing to do: one list for all of them. */
export const noActions: readonly Action[] = [];
