/** Pods that a node refused before they ever ran, and placeholders: a pod is made anew, and nobody is told (spec: lifecycle, "Scheduling"). */
import { annotations, finalizer } from "../domain/names.ts";
import { isPlaceholderName } from "../domain/placeholder.ts";
import { annotation, isBeingDeleted, type Pod } from "./pod.ts";

/** Reasons that a kubelet gives for a pod that it never ran: another node, or a later try, may take it. */
const reasons = ["OutOf", "NodeAffinity", "UnexpectedAdmissionError", "TopologyAffinityError"];
/** What ends a workspace rather than letting it try another node. */
const endings = [annotations.explicitFail, annotations.stoppedByRequest, annotations.timedOut] as const;

/** Whether the pod was refused, and the workspace may still get another one. */
export function isRefusedByNode(pod: Pod): boolean {
  return pod.phase === "Failed" && !pod.everStarted && mayGoOn(pod) && reasons.some((reason) => pod.reason.startsWith(reason));
}

/** Whether the pod stands for one that is to be made: the workspace waits for it. */
export function isToBeFilled(pod: Pod): boolean {
  return isPlaceholderName(pod.name) && mayGoOn(pod);
}

/** It has not been ready, and nothing ends it. */
function mayGoOn(pod: Pod): boolean {
  if (annotation(pod, annotations.neverReady) === undefined || endings.some((key) => annotation(pod, key) !== undefined)) return false;
  return !isBeingDeleted(pod) || isBeingReplaced(pod);
}

/** Who makes a pod anew takes its finalizer away before deleting it; whoever else deletes it finds the finalizer, which goes when the workspace has ended. */
function isBeingReplaced(pod: Pod): boolean {
  return !pod.finalizers.includes(finalizer) && annotation(pod, annotations.startedDisposal) === undefined && annotation(pod, annotations.failedBeforeStopping) === undefined;
}
