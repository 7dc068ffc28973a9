/** A Pod as far as we look at it, read from JSON that nobody has checked. */
import { hasStarted } from "../domain/containers.ts";
import { asObject, integerAt, objectAt, objectsAt, stringAt, textAt, type JsonObject } from "../domain/json.ts";
import { workspaceContainer } from "../domain/names.ts";
import { parseTimeMs } from "../domain/rfc3339.ts";

/** A pod that has no status. The message is for people and holds no secret. */
export class InvalidPodError extends Error {
  override readonly name = "InvalidPodError";
  /** `unparsable`: not a Pod at all. `invalid`: breaks the rules for workspaces. */
  readonly reason: "unparsable" | "invalid";

  constructor(message: string, reason: "unparsable" | "invalid" = "invalid") {
    super(message);
    this.reason = reason;
  }
}

/** state.waiting of a container. */
export interface Waiting {
  readonly reason: string;
  readonly message: string;
}

/** state.terminated or lastState.terminated of a container. */
export interface Terminated {
  readonly exitCode: number;
  readonly reason: string;
  readonly message: string;
}

/** One of status.containerStatuses. */
export interface ContainerStatus {
  readonly name: string;
  readonly ready: boolean;
  readonly restartCount: number;
  readonly waiting: Waiting | undefined;
  readonly running: boolean;
  readonly terminated: Terminated | undefined;
  readonly lastTerminated: Terminated | undefined;
}

/** The view of a Pod. Strings that are missing or no strings are empty. Times are Unix milliseconds. */
export interface Pod {
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion: string;
  /** Undefined if missing or no RFC 3339 time. */
  readonly createdAt: number | undefined;
  /** Undefined while the pod is not being deleted. An unreadable time counts as 0: the pod is being deleted nonetheless. */
  readonly deletedAt: number | undefined;
  readonly deletionGracePeriodSeconds: number | undefined;
  readonly labels: JsonObject;
  readonly annotations: JsonObject;
  readonly finalizers: readonly string[];
  readonly nodeName: string;
  /** Image of the container `workspace`; undefined if there is no such container. */
  readonly workspaceImage: string | undefined;
  readonly phase: string;
  readonly reason: string;
  readonly message: string;
  readonly hostIP: string;
  /** Condition PodScheduled is True. */
  readonly scheduled: boolean;
  readonly containers: readonly ContainerStatus[];
  /** A container or init container has started at some time: the pod's volumes were mounted. */
  readonly everStarted: boolean;
}

const empty: JsonObject = Object.freeze({});

/**
 * Reads a Pod.
 * @throws InvalidPodError if the value is not a Pod at all.
 */
export function readPod(value: unknown): Pod {
  const pod = asObject(value);
  const metadata = objectAt(pod, "metadata");
  if (pod === undefined || metadata === undefined) throw new InvalidPodError("not a Pod: no metadata", "unparsable");
  const kind = pod["kind"];
  if (kind !== undefined && kind !== "Pod") throw new InvalidPodError("not a Pod: another kind of object", "unparsable");
  const spec = objectAt(pod, "spec");
  const status = objectAt(pod, "status");
  const containerStatuses = objectsAt(status, "containerStatuses");
  return {
    name: textAt(metadata, "name"),
    uid: textAt(metadata, "uid"),
    resourceVersion: textAt(metadata, "resourceVersion"),
    createdAt: parseTimeMs(stringAt(metadata, "creationTimestamp")),
    deletedAt: deletionTime(metadata["deletionTimestamp"]),
    deletionGracePeriodSeconds: integerAt(metadata, "deletionGracePeriodSeconds"),
    labels: objectAt(metadata, "labels") ?? empty,
    annotations: objectAt(metadata, "annotations") ?? empty,
    finalizers: stringsOf(metadata["finalizers"]),
    nodeName: textAt(spec, "nodeName"),
    workspaceImage: imageOf(spec),
    phase: textAt(status, "phase"),
    reason: textAt(status, "reason"),
    message: textAt(status, "message"),
    hostIP: textAt(status, "hostIP"),
    scheduled: objectsAt(status, "conditions").some((c) => c["type"] === "PodScheduled" && c["status"] === "True"),
    containers: containerStatuses.map(readContainer),
    everStarted: containerStatuses.some(hasStarted) || objectsAt(status, "initContainerStatuses").some(hasStarted),
  };
}

function deletionTime(value: unknown): number | undefined {
  if (value === undefined || value === null) return undefined;
  return (typeof value === "string" ? parseTimeMs(value) : undefined) ?? 0;
}

function stringsOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((entry) => typeof entry === "string") : [];
}

function imageOf(spec: JsonObject | undefined): string | undefined {
  const container = objectsAt(spec, "containers").find((c) => c["name"] === workspaceContainer);
  return container && (textAt(container, "image"));
}

function readContainer(container: JsonObject): ContainerStatus {
  const state = objectAt(container, "state");
  return {
    name: textAt(container, "name"),
    ready: container["ready"] === true,
    restartCount: integerAt(container, "restartCount") ?? 0,
    waiting: readWaiting(objectAt(state, "waiting")),
    running: objectAt(state, "running") !== undefined,
    terminated: readTerminated(objectAt(state, "terminated")),
    lastTerminated: readTerminated(objectAt(objectAt(container, "lastState"), "terminated")),
  };
}

function readWaiting(waiting: JsonObject | undefined): Waiting | undefined {
  return waiting && { reason: textAt(waiting, "reason"), message: textAt(waiting, "message") };
}

function readTerminated(terminated: JsonObject | undefined): Terminated | undefined {
  return (
    terminated && {
      exitCode: integerAt(terminated, "exitCode") ?? 0,
      reason: textAt(terminated, "reason"),
      message: textAt(terminated, "message"),
    }
  );
}

/** The value of an annotation; undefined if there is none. */
export function annotation(pod: Pod, key: string): string | undefined {
  return stringAt(pod.annotations, key);
}

/** The value of an annotation; empty if there is none. */
export function annotationText(pod: Pod, key: string): string {
  return textAt(pod.annotations, key);
}

/** The value of a label; empty if there is none. */
export function labelText(pod: Pod, key: string): string {
  return textAt(pod.labels, key);
}

/** The value of a label; undefined if there is none. */
export function label(pod: Pod, key: string): string | undefined {
  return stringAt(pod.labels, key);
}

/** Whether the pod is being deleted (metadata.deletionTimestamp is set). */
export function isBeingDeleted(pod: Pod): boolean {
  return pod.deletedAt !== undefined;
}
