/** Workspace pods for tests: one line for each state that a status is derived from. */
import { makeWorkspacePod } from "../../src/embedded/demo/pods.ts";
import type { PodState, WorkspacePod, WorkspacePodOptions } from "../../src/embedded/demo/pods.ts";
import { annotations } from "../../src/domain/names.ts";
import { keepSecret } from "./secrets.ts";

export { bulk, makeWorkspacePod, podName } from "../../src/embedded/demo/pods.ts";
export type { PodState, PodType, WorkspacePod, WorkspacePodOptions } from "../../src/embedded/demo/pods.ts";

/** All states, in the order of a life, then those that went wrong. */
export const podStates: readonly PodState[] = [
  "unscheduled", "scheduled", "creating", "initializing", "running", "stopping", "stopped", "interrupted", "killed", "recovering", "completed", "image-pull", "crashed", "container-error", "evicted", "unknown",
];

/** A pod without filling in the given state. Its owner token, unless given, may be shown by nothing. */
export function podIn(phase: PodState, id = "w1", options: Omit<WorkspacePodOptions, "id" | "phase"> = {}): WorkspacePod {
  const pod = makeWorkspacePod({ size: 0, ...options, id, phase });
  const token = pod.metadata.annotations[annotations.ownerToken];
  if (token !== undefined && token !== options.annotations?.[annotations.ownerToken]) keepSecret("an owner token", token);
  return pod;
}

/** The pod as the API server would hand it out: with uid and resourceVersion. */
export function served(pod: WorkspacePod, resourceVersion = "1", uid = `uid-${pod.metadata.name}`): WorkspacePod {
  return { ...pod, metadata: { ...pod.metadata, uid, resourceVersion } };
}
