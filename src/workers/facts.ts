/** What the main thread keeps of a workspace, from its pod and derived status. */
import { startOf } from "../domain/digest.ts";
import type { WorkspaceFacts } from "../domain/messages.ts";
import { annotations, labels } from "../domain/names.ts";
import { parseTimeMs } from "../domain/rfc3339.ts";
import { wsman } from "../gen/proto.js";
import { annotation, annotationText, labelText, type Pod } from "./pod.ts";
import type { Status } from "./status.ts";

/** The facts. An unreadable time counts as missing; createdAt is 0 then. */
export function factsOf(pod: Pod, status: Status): WorkspaceFacts {
  return { ...statusFacts(status), ...conditionFacts(status), ...podFacts(pod) };
}

type StatusFacts = Pick<WorkspaceFacts, "id" | "phase" | "annotations" | "type" | "headless" | "exposedPorts">;
type ConditionFacts = Pick<WorkspaceFacts, "failed" | "timedOut" | "pullingImages" | "backupComplete">;
type PodFacts = Omit<WorkspaceFacts, keyof StatusFacts | keyof ConditionFacts>;

function statusFacts({ id, phase, metadata, spec }: Status): StatusFacts {
  const own = metadata?.annotations ?? {};
  return {
    id: id ?? "",
    phase: phase ?? wsman.WorkspacePhase.UNKNOWN,
    annotations: Object.keys(own).length > 0 ? own : undefined,
    ...specFacts(spec ?? {}),
  };
}

function specFacts({ type, headless, exposedPorts }: wsman.WorkspaceSpec.$Properties): Pick<StatusFacts, "type" | "headless" | "exposedPorts"> {
  return { type: type ?? wsman.WorkspaceType.REGULAR, headless: headless ?? false, exposedPorts: exposedPorts?.length ?? 0 };
}

function conditionFacts({ conditions }: Status): ConditionFacts {
  return {
    failed: conditions?.failed ?? "",
    timedOut: conditions?.timeout ?? "",
    pullingImages: conditions?.pullingImages === wsman.WorkspaceConditionBool.TRUE,
    backupComplete: conditions?.finalBackupComplete === wsman.WorkspaceConditionBool.TRUE,
  };
}

function podFacts(pod: Pod): PodFacts {
  return {
    podName: pod.name,
    nodeName: pod.nodeName,
    owner: labelText(pod, labels.owner),
    metaId: labelText(pod, labels.metaId),
    workspaceClass: labelText(pod, labels.workspaceClass),
    start: startOf(annotationText(pod, annotations.ownerToken)),
    createdAt: createdAt(pod),
    deletedAt: pod.deletedAt,
    disposalSince: parseTimeMs(annotation(pod, annotations.disposalSince)),
    lastActivity: parseTimeMs(annotation(pod, annotations.lastActivity)),
    everActive: annotation(pod, annotations.firstUserActivity) !== undefined,
    closed: annotation(pod, annotations.closed) === "true",
    everReady: annotation(pod, annotations.neverReady) === undefined,
    customTimeout: annotationText(pod, annotations.customTimeout),
  };
}

/** A pod that was made anew is as old as the first one: limits count from there. */
function createdAt(pod: Pod): number {
  const own = pod.createdAt ?? 0;
  const first = annotation(pod, annotations.firstCreated);
  return first === undefined ? own : Math.min(own, parseTimeMs(first) ?? own);
}
