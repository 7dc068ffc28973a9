/** Pods for tests of the workers: a running workspace, and ways to change it. */
import type { DeriveConfig, PodEvent } from "../../../src/domain/messages.ts";
import { deriveStatus, type Status } from "../../../src/workers/status.ts";
import { readPod } from "../../../src/workers/pod.ts";

/** JSON that a test may change. */
export interface RawPod {
  metadata: { [member: string]: unknown; annotations: Record<string, unknown>; labels: Record<string, unknown> };
  spec: Record<string, unknown>;
  status: Record<string, unknown>;
}

export const config: DeriveConfig = { regularWorkspaceTimeoutMs: 3_600_000 };

/** A regular workspace that runs and was ready, with everything that it needs and the finalizer. */
export function runningPod(change: (pod: RawPod) => void = () => {}): RawPod {
  const pod: RawPod = {
    metadata: {
      name: "ws-one",
      uid: "uid-one",
      resourceVersion: "7",
      creationTimestamp: "2026-03-01T10:00:00Z",
      finalizers: ["gitpod.io/finalizer"],
      labels: { owner: "ann", metaID: "red-fox", workspaceType: "regular", headless: "false", "gitpod.io/workspaceClass": "small" },
      annotations: { "gitpod/id": "one", "gitpod/url": "https://one.example.org", "gitpod/ownerToken": "token" },
    },
    spec: { nodeName: "node-1", containers: [{ name: "sidecar", image: "side" }, { name: "workspace", image: "plain-image" }] },
    status: { phase: "Running", hostIP: "10.0.0.1", containerStatuses: [{ name: "workspace", ready: true, restartCount: 0, started: true, state: { running: {} } }] },
  };
  change(pod);
  return pod;
}

/** Puts the workspace container into a state. */
export function withState(pod: RawPod, state: object, more: object = {}): void {
  pod.status["containerStatuses"] = [{ name: "workspace", ready: false, restartCount: 0, state, ...more }];
}

/** A pod that waits for its volumes. */
export function pendingPod(change: (pod: RawPod) => void = () => {}): RawPod {
  return runningPod((pod) => {
    pod.status["phase"] = "Pending";
    pod.metadata.annotations["gitpod/never-ready"] = "true";
    withState(pod, { waiting: { reason: "ContainerCreating" } });
    change(pod);
  });
}

/** A pod that is being deleted. */
export function deletedPod(change: (pod: RawPod) => void = () => {}): RawPod {
  return runningPod((pod) => {
    pod.metadata["deletionTimestamp"] = "2026-03-01T11:00:00Z";
    pod.metadata["deletionGracePeriodSeconds"] = 30;
    change(pod);
  });
}

export function event(reason: PodEvent["reason"], message = ""): PodEvent {
  return { reason, message, timeMs: 0 };
}

export function statusOf(pod: unknown, events: readonly PodEvent[] = []): Status {
  return deriveStatus(readPod(pod), events, config);
}
