/** What the lifecycle controller is to do about a workspace now: a pure function (spec: lifecycle, "Per status change" and "Scheduling"). */
import { noActions, type Action } from "../domain/actions.ts";
import { parseGoDuration } from "../domain/duration.ts";
import { annotations, finalizer, labels, workspaceContainer } from "../domain/names.ts";
import { wsman } from "../gen/proto.js";
import { decodeDisposalStatus } from "./annotations.ts";
import { failureDependsOnEvents } from "./failure.ts";
import { annotation, isBeingDeleted, label, type Pod } from "./pod.ts";
import { isRefusedByNode, isToBeFilled } from "./refused.ts";
import type { Status } from "./status.ts";

const phases = wsman.WorkspacePhase;
const defaultGraceSeconds = 30;

/**
 * The actions, in the order in which they are to be done. Of most pods there is nothing to do: that costs nothing.
 * @param status what `deriveStatus` gave for this pod.
 * @throws InvalidPodError if the disposal status is broken; a pod with a status does not have that.
 */
export function decide(pod: Pod, status: Status): Actions {
  if (isRefusedByNode(pod)) return [{ action: "recreatePod" }];
  if (isToBeFilled(pod)) return [{ action: "fillPlaceholder" }];
  return both(schedulingActions(pod), statusActions(pod, status));
}

type Actions = readonly Action[];

function both(first: Actions, second: Actions): Actions {
  if (first.length === 0) return second;
  return second.length === 0 ? first : [...first, ...second];
}

function statusActions(pod: Pod, status: Status): Actions {
  const { phase } = status;
  if (phase === phases.STOPPING) return timedOutDuringBackup(pod, status) ?? stoppingActions(pod, status);
  if (phase === phases.STOPPED) return both(timedOutDuringBackup(pod, status) ?? noActions, lettingGo(pod));
  const { failed, timeout } = status.conditions ?? {};
  // A failure that was written down counts also when the pod recovers before it is deleted: it was told.
  const known = annotation(pod, annotations.failedBeforeStopping) !== undefined;
  if (failed || timeout || known) return both(failed ? failure(pod, failed) : noActions, deletion(pod, defaultGraceSeconds));
  return both(stopRequest(pod), phaseActions(pod, phase));
}

/** What only Events tell is written down, for they do not count any more once a container has started. */
function failure(pod: Pod, text: string): Actions {
  const failed = mark(pod, annotations.failedBeforeStopping, "true");
  return failureDependsOnEvents(pod) ? both(failed, mark(pod, annotations.explicitFail, text)) : failed;
}

function phaseActions(pod: Pod, phase: number | null | undefined): Actions {
  if (phase === phases.CREATING) return [{ action: "initializeContent" }];
  if (phase === phases.INITIALIZING) return [{ action: "waitForReady" }];
  if (phase !== phases.RUNNING) return noActions;
  const add: Actions = pod.finalizers.includes(finalizer) ? noActions : [{ action: "addFinalizer" }];
  return pod.nodeName === "" ? add : both(add, mark(pod, annotations.nodeName, pod.nodeName));
}

/**
 * A pod that was deleted before it was scheduled has to leave PENDING too, or its finalizer would never go. Without finalizer it goes
 * by itself, perhaps to be made anew.
 */
function schedulingActions(pod: Pod): Actions {
  if (annotation(pod, annotations.attemptingToCreate) === undefined) return noActions;
  const placed = pod.scheduled || pod.phase === "Running";
  const leaving = isBeingDeleted(pod) && pod.finalizers.includes(finalizer);
  return placed || leaving ? [{ action: "removeAnnotation", key: annotations.attemptingToCreate }] : noActions;
}

/** The backup will not end any more: the workspace must be able to. A backup that did end is left as it is. */
function timedOutDuringBackup(pod: Pod, status: Status): Actions | undefined {
  const text = status.conditions?.timeout ?? "";
  if (!text.includes("backup") || disposalOf(pod)?.backupComplete) return undefined;
  return mark(pod, annotations.disposalStatus, JSON.stringify({ backupComplete: true, backupFailure: text }));
}

function disposalOf(pod: Pod): ReturnType<typeof decodeDisposalStatus> | undefined {
  const packed = annotation(pod, annotations.disposalStatus);
  return packed === undefined ? undefined : decodeDisposalStatus(packed);
}

function stoppingActions(pod: Pod, status: Status): Actions {
  if (!isBeingDeleted(pod)) return deletion(pod, defaultGraceSeconds);
  const shortened = stopRequest(pod);
  if (isContainerRunning(pod)) return shortened;
  const resume = disposalBegan(pod);
  if (resume || !failedBeforeReady(pod)) return [...shortened, { action: "finalizeContent", resume }];
  return [...shortened, ...failedStart(pod, status)];
}

/** Either mark says so: both are written at once, and people take single ones away. An end that has begun may be over at the node daemon, which does not know the content any more then. */
function disposalBegan(pod: Pod): boolean {
  return annotation(pod, annotations.startedDisposal) !== undefined || annotation(pod, annotations.disposalSince) !== undefined;
}

/** There is no content to save of a workspace that failed before it was ever ready. */
function failedStart(pod: Pod, status: Status): Actions {
  const failed = status.conditions?.failed || "workspace failed to start.";
  const explain: Actions = annotation(pod, annotations.explicitFail) === undefined ? mark(pod, annotations.explicitFail, failed) : noActions;
  return [...explain, ...lettingGo(pod)];
}

/** The pod goes, and with it the claim of a workspace that was never ready: nothing is in it that was not there before. One that was itself there before stays (lifecycle/claim-maker.ts). */
function lettingGo(pod: Pod): Actions {
  const last = withoutFinalizer(pod);
  const claimed = label(pod, labels.pvcFeature) === "true" && annotation(pod, annotations.neverReady) !== undefined;
  return claimed && last.length > 0 ? [{ action: "deletePvc" }, ...last] : last;
}

function failedBeforeReady(pod: Pod): boolean {
  return annotation(pod, annotations.failedBeforeStopping) !== undefined && annotation(pod, annotations.neverReady) !== undefined;
}

/** Running, or not known not to be: content must not be saved under a container that still writes. */
function isContainerRunning(pod: Pod): boolean {
  if (annotation(pod, annotations.containerIsGone) !== undefined) return false;
  const container = pod.containers.find((c) => c.name === workspaceContainer);
  return container === undefined ? pod.phase === "Running" : container.running;
}

function stopRequest(pod: Pod): Actions {
  const text = annotation(pod, annotations.stoppedByRequest);
  return text === undefined ? noActions : deletion(pod, graceSeconds(text));
}

/** Whole seconds, rounded up: less than one would be no grace at all. */
function graceSeconds(text: string): number {
  const ms = parseGoDuration(text);
  return ms === undefined || ms < 0 ? defaultGraceSeconds : Math.ceil(ms / 1000);
}

function deletion(pod: Pod, gracePeriodSeconds: number): Actions {
  const changesNothing = isBeingDeleted(pod) && !(pod.deletionGracePeriodSeconds !== undefined && gracePeriodSeconds < pod.deletionGracePeriodSeconds);
  return changesNothing ? noActions : [...guard(pod), { action: "deletePod", gracePeriodSeconds }];
}

/**
 * The finalizer keeps a pod until its work is saved, and its claim is dealt with. One that is being deleted already gets none any more. Told apart from the finalizer that a running pod gets, which
 * the Go daemon puts there as well.
 */
function guard(pod: Pod): Actions {
  const matters = annotation(pod, annotations.neverReady) === undefined || label(pod, labels.pvcFeature) === "true";
  return matters && !isBeingDeleted(pod) && !pod.finalizers.includes(finalizer) ? [{ action: "guardPod" }] : noActions;
}

function mark(pod: Pod, key: string, value: string): Actions {
  return annotation(pod, key) === value ? noActions : [{ action: "setAnnotation", key, value }];
}

function withoutFinalizer(pod: Pod): Actions {
  return pod.finalizers.includes(finalizer) ? [{ action: "removeFinalizer" }] : noActions;
}
