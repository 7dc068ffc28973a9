/** From a Pod and its Events to a WorkspaceStatus: a pure function (spec: status). */
import { withBackupFailure } from "../domain/failed.ts";
import type { DeriveConfig, PodEvent } from "../domain/messages.ts";
import { annotations, finalizer } from "../domain/names.ts";
import { workspacePodName } from "../domain/placeholder.ts";
import { parseRfc3339 } from "../domain/rfc3339.ts";
import { wsman } from "../gen/proto.js";
import { decodeDisposalStatus, decodeVolumeSnapshot } from "./annotations.ts";
import { findFailure } from "./failure.ts";
import { annotation, annotationText, InvalidPodError, isBeingDeleted, type ContainerStatus, type Pod } from "./pod.ts";
import { isRefusedByNode, isToBeFilled } from "./refused.ts";
import { authOf, identityOf, isHeadless, metadataOf, specOf, timestamp } from "./spec.ts";

/** A status as the generated code has it, without status_version. */
export type Status = wsman.WorkspaceStatus.$Properties;
type Conditions = wsman.WorkspaceConditions.$Properties;

const phases = wsman.WorkspacePhase;
const yes = wsman.WorkspaceConditionBool.TRUE;

/** What the phase rules work on. */
interface Draft {
  readonly pod: Pod;
  readonly events: readonly PodEvent[];
  readonly headless: boolean;
  readonly type: wsman.WorkspaceType;
  readonly status: Status;
  readonly conditions: Conditions;
}

/**
 * Derives the status of a workspace, without status_version. The rules over time are not its matter: it knows nothing earlier.
 * @throws InvalidPodError if the pod is not a workspace or an annotation is broken, with the spec's message.
 */
export function deriveStatus(pod: Pod, events: readonly PodEvent[], config: DeriveConfig): Status {
  const identity = identityOf(pod);
  const snapshot = annotation(pod, annotations.volumeSnapshot);
  const conditions: Conditions = {
    failed: "",
    snapshot: annotationText(pod, annotations.snapshot),
    volumeSnapshot: snapshot === undefined ? {} : decodeVolumeSnapshot(snapshot),
  };
  const status: Status = {
    id: identity.id,
    metadata: metadataOf(pod),
    spec: specOf(pod, identity, config),
    phase: phases.UNKNOWN,
    conditions,
    message: "",
    runtime: { nodeName: pod.nodeName, podName: workspacePodName(pod.name), nodeIp: pod.hostIP },
    auth: authOf(pod),
  };
  derivePhase({ pod, events, headless: isHeadless(pod), type: identity.type, status, conditions });
  return status;
}

function derivePhase(draft: Draft): void {
  const { pod, events, status, conditions } = draft;
  // It is going to be made anew: to those who wait for it nothing has happened.
  if (isRefusedByNode(pod) || isToBeFilled(pod)) {
    deriveConditions(draft);
    status.phase = phases.PENDING;
    status.message = pendingMessage;
    return;
  }
  const failure = findFailure(pod, events);
  conditions.failed = failure.text;
  if (failure.phase !== undefined) {
    status.phase = failure.phase;
    return;
  }
  deriveConditions(draft);
  if (annotation(pod, annotations.attemptingToCreate) !== undefined) status.phase = phases.PENDING;
  else if (isBeingDeleted(pod)) derivePhaseOfDeleted(draft);
  else derivePhaseOfPresent(draft);
}

function deriveConditions({ pod, conditions, headless }: Draft): void {
  const timedOut = annotation(pod, annotations.timedOut);
  if (timedOut !== undefined) conditions.timeout = timedOut === "" ? "workspace timed out for an unknown reason" : timedOut;
  if (annotation(pod, annotations.stoppedByRequest) !== undefined) conditions.stoppedByRequest = yes;
  if (!headless) return;
  const failed = pod.containers.find((c) => c.terminated !== undefined && c.terminated.message !== "");
  if (failed?.terminated) conditions.headlessTaskFailed = failed.terminated.message;
}

function derivePhaseOfDeleted({ pod, status, conditions }: Draft): void {
  status.phase = pod.finalizers.includes(finalizer) ? phases.STOPPING : phases.STOPPED;
  const packed = annotation(pod, annotations.disposalStatus);
  if (packed === undefined) return;
  const disposal = decodeDisposalStatus(packed);
  if (disposal.backupComplete) {
    conditions.finalBackupComplete = yes;
    status.phase = phases.STOPPED;
  }
  if (disposal.gitStatus !== undefined) status.repo = disposal.gitStatus;
  if (disposal.backupFailure !== "") conditions.failed = withBackupFailure(conditions.failed ?? "", disposal.backupFailure);
}

function derivePhaseOfPresent(draft: Draft): void {
  if (draft.pod.phase === "Pending") derivePhaseOfPending(draft);
  else if (draft.pod.phase === "Running") derivePhaseOfRunning(draft);
  else derivePhaseOfOther(draft);
}

const creatingReasons: ReadonlySet<string> = new Set(["ContainerCreating", "PodInitializing"]);

const pendingMessage = "pod is pending";

function derivePhaseOfPending({ pod, status, conditions }: Draft): void {
  const creating = pod.containers.some((c) => c.waiting !== undefined && creatingReasons.has(c.waiting.reason));
  if (creating && annotation(pod, annotations.neverReady) !== undefined) {
    status.phase = phases.CREATING;
    conditions.pullingImages = yes;
    status.message = "containers are being created";
  } else {
    status.phase = phases.PENDING;
    status.message = pendingMessage;
  }
}

function derivePhaseOfRunning(draft: Draft): void {
  const { pod, status, conditions, headless, type } = draft;
  const active = annotation(pod, annotations.firstUserActivity);
  if (active !== undefined) conditions.firstUserActivity = firstUserActivity(active);
  for (const container of pod.containers) {
    const message = interruption(draft, container);
    if (message === undefined) continue;
    status.phase = phases.INTERRUPTED;
    status.message = message;
    return;
  }
  if ((headless && type !== wsman.WorkspaceType.PREBUILD) || annotation(pod, annotations.neverReady) === undefined) {
    status.phase = phases.RUNNING;
  } else {
    status.phase = phases.INITIALIZING;
    status.message = "workspace initializer is running";
  }
}

function firstUserActivity(text: string): ReturnType<typeof timestamp> {
  const instant = parseRfc3339(text);
  if (instant === undefined) throw new InvalidPodError("cannot parse firstUserActivity: not an RFC 3339 time");
  return timestamp(instant.seconds, instant.nanos);
}

/** The message of an interruption by this container; undefined if it does not interrupt. */
function interruption({ events, conditions }: Draft, container: ContainerStatus): string | undefined {
  const exitCode = container.terminated?.exitCode;
  if (exitCode === 255 && events.some((e) => e.reason === "NetworkNotReady")) {
    conditions.networkNotReady = yes;
    return "container network not ready - workspace should recover shortly";
  }
  if (exitCode === 255 || exitCode === 137) return `container ${container.name} was terminated unexpectedly - workspace should recover`;
  if (!container.ready && container.restartCount > 0) return `container ${container.name} was terminated unexpectedly - workspace is recovering`;
  return undefined;
}

function derivePhaseOfOther({ pod, status, conditions, headless }: Draft): void {
  if (headless && (pod.phase === "Succeeded" || pod.phase === "Failed")) {
    status.phase = phases.STOPPING;
    status.message = "headless workspace is stopping";
  } else if (pod.phase === "Succeeded") {
    status.phase = phases.STOPPING;
    status.message = "workspace is stopping";
  } else if (pod.phase === "Unknown") {
    status.message = "Kubernetes reports workspace phase as unknown";
  } else if (conditions.failed === "") {
    status.message = "cannot determine workspace phase. We should never get here.";
  }
}
