/**
 * Shortened pods: where an Event yet to come (or to be forgotten) could change a status, the main thread holds on to as much of the
 * pod as the derivation looks at, and has the status derived again when that happens, without asking the API server.
 */
import { annotations, userAnnotationPrefix, workspaceContainer } from "../domain/names.ts";
import { formatRfc3339 } from "../domain/rfc3339.ts";
import { failureDependsOnEvents } from "./failure.ts";
import { isBeingDeleted, type ContainerStatus, type Pod } from "./pod.ts";

/** Annotations that nothing we derive depends on, although they are ours: large, or secret. */
const unused: ReadonlySet<string> = new Set([annotations.contentInitializer, annotations.sshPublicKeys]);
const used: ReadonlySet<string> = new Set(Object.values(annotations).filter((name) => !unused.has(name)));

/** Whether the status depends on Events that the pod does not have yet, or may lose. */
export function dependsOnEvents(pod: Pod): boolean {
  if (failureDependsOnEvents(pod)) return true;
  return pod.phase === "Running" && !isBeingDeleted(pod) && pod.containers.some((c) => c.terminated?.exitCode === 255);
}

/** The shortened pod as JSON. Read again, it gives the same status, facts and actions as the pod it was made of, for any Events. */
export function shorten(pod: Pod): string {
  return JSON.stringify({
    metadata: {
      name: pod.name,
      uid: pod.uid,
      resourceVersion: pod.resourceVersion,
      creationTimestamp: timeText(pod.createdAt),
      deletionTimestamp: timeText(pod.deletedAt),
      deletionGracePeriodSeconds: pod.deletionGracePeriodSeconds,
      labels: pod.labels,
      annotations: usedAnnotations(pod),
      finalizers: pod.finalizers,
    },
    spec: { nodeName: pod.nodeName, containers: pod.workspaceImage === undefined ? [] : [{ name: workspaceContainer, image: pod.workspaceImage }] },
    status: {
      phase: pod.phase,
      reason: pod.reason,
      message: pod.message,
      hostIP: pod.hostIP,
      conditions: pod.scheduled ? [{ type: "PodScheduled", status: "True" }] : [],
      containerStatuses: pod.containers.map(shortenContainer),
      initContainerStatuses: pod.everStarted ? [{ started: true }] : [],
    },
  });
}

function timeText(ms: number | undefined): string | undefined {
  if (ms === undefined) return undefined;
  const seconds = Math.floor(ms / 1000);
  return formatRfc3339({ seconds, nanos: (ms - seconds * 1000) * 1e6 });
}

function usedAnnotations(pod: Pod): { readonly [key: string]: unknown } {
  return Object.fromEntries(Object.entries(pod.annotations).filter(([key]) => used.has(key) || key.startsWith(userAnnotationPrefix)));
}

function shortenContainer({ name, ready, restartCount, waiting, running, terminated, lastTerminated }: ContainerStatus): object {
  return {
    name,
    ready,
    restartCount,
    state: { waiting, running: running ? {} : undefined, terminated },
    lastState: lastTerminated ? { terminated: lastTerminated } : undefined,
  };
}
