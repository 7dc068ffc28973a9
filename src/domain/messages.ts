/** What main thread and workers say to each other: a batch of JSON lines out, encoded statuses and facts back. */
import type { wsman } from "../gen/proto.js";
import type { Action } from "./actions.ts";
import type { EventReason } from "./names.ts";

/** A Kubernetes Event of a pod, reduced to what the status depends on. */
export interface PodEvent {
  readonly reason: EventReason;
  readonly message: string;
  /** When it happened last, Unix milliseconds; 0 if not told. */
  readonly timeMs: number;
}

/**
 * Where a line comes from. `watch` and `list`: the cluster says so now. `read`: a pod that was read by itself, or held back by us; it may be older than
 * what is on its way from the watch, and proves nothing about a list.
 */
export type Origin = "watch" | "list" | "read";

/** One JSON document in a batch's buffer. */
export interface TaskLine {
  /** `watch`: a line of a watch, {"type", "object"}. `object`: a bare Pod, from a list, a get, or held back by us. */
  readonly source: "watch" | "object";
  readonly start: number;
  readonly length: number;
  /** Events of the line's pod, known when the batch was put together. */
  readonly events: readonly PodEvent[] | undefined;
}

/** A unit of work for a worker. The buffer is shared, so that the main thread can hand it out again if the worker dies. */
export interface BatchTask {
  readonly buffer: SharedArrayBuffer;
  readonly lines: readonly TaskLine[];
}

/** Configuration that the derivation of a status depends on; given to workers once, when they start. */
export interface DeriveConfig {
  /** timeouts.regularWorkspace, milliseconds; 0 if there is none. */
  readonly regularWorkspaceTimeoutMs: number;
  /** Tell what each status was derived from. */
  readonly trace?: boolean;
}

/** What the main thread keeps of a workspace: filters, timeouts and metrics read it. Times are Unix milliseconds. */
export interface WorkspaceFacts {
  readonly id: string;
  readonly podName: string;
  readonly owner: string;
  readonly metaId: string;
  /** The request's metadata annotations, undefined if there are none. */
  readonly annotations: Readonly<Record<string, string>> | undefined;
  readonly phase: wsman.WorkspacePhase;
  readonly type: wsman.WorkspaceType;
  readonly headless: boolean;
  readonly workspaceClass: string;
  readonly nodeName: string;
  /** conditions.failed and conditions.timeout; empty if not so. */
  readonly failed: string;
  readonly timedOut: string;
  /** Names the start that the pod comes from, by its owner token: a pod that is made anew, and a placeholder, have their first pod's. 0 if it has no token. */
  readonly start: number;
  /** metadata.creationTimestamp; of a pod that was made anew, the first one's. */
  readonly createdAt: number;
  /** metadata.deletionTimestamp; undefined while the pod is not being deleted. */
  readonly deletedAt: number | undefined;
  /** annotation gitpod.io/disposalSince, Unix milliseconds; undefined if there is none. */
  readonly disposalSince: number | undefined;
  /** annotation gitpod.io/lastActivity; undefined if there is none. */
  readonly lastActivity: number | undefined;
  /** annotation gitpod/firstUserActivity is set. */
  readonly everActive: boolean;
  /** annotation gitpod/closed. */
  readonly closed: boolean;
  /** annotation gitpod/never-ready is gone. */
  readonly everReady: boolean;
  readonly pullingImages: boolean;
  readonly backupComplete: boolean;
  /** annotation gitpod/customTimeout as it stands there; empty if there is none. */
  readonly customTimeout: string;
  readonly exposedPorts: number;
}

/** A line that is a workspace. */
export interface WorkspaceResult {
  readonly kind: "workspace";
  /** metadata.uid and metadata.resourceVersion of the pod. */
  readonly uid: string;
  readonly resourceVersion: string;
  /** The line was a DELETED: the pod is gone, and the status says STOPPED. */
  readonly removed: boolean;
  readonly facts: WorkspaceFacts;
  /** Where in the result's bytes the encoded wsman.WorkspaceStatus stands, without status_version. */
  readonly start: number;
  readonly length: number;
  /** Digest of these bytes: equal for equal statuses, on every worker. */
  readonly digest: string;
  /** A shortened Pod (JSON) from which the same status derives, where an Event yet to come could change it. In the result's bytes as well. */
  readonly held: ResultRange | undefined;
  /** What the lifecycle controller is to do. */
  readonly actions: readonly Action[];
  /** The encoded wsdaemon.InitWorkspaceRequest, without storage quota, where the actions have use for it and the pod tells it. In the result's bytes as well. */
  readonly init: ResultRange | undefined;
  /** What the status was derived from, without secrets, as JSON, if changes are traced. In the result's bytes as well. */
  readonly trace: ResultRange | undefined;
}

/** A piece of a result's bytes. */
export interface ResultRange {
  readonly start: number;
  readonly length: number;
}

/** A line from which no status can be derived. */
export interface SkippedResult {
  readonly kind: "skipped";
  /** `unparsable`: not a JSON pod at all. `invalid`: a pod that breaks the rules for workspaces. `poisoned`: made workers fail. */
  readonly reason: "unparsable" | "invalid" | "poisoned";
  /** For people; holds no secret. */
  readonly message: string;
  /** As far as they could be read; empty otherwise. */
  readonly uid: string;
  readonly podName: string;
  readonly resourceVersion: string;
  /** The line was a DELETED. */
  readonly removed: boolean;
}

/** What became of a line. */
export type LineResult = WorkspaceResult | SkippedResult;

/** A worker's answer: one result per line, in the lines' order. */
export interface BatchResult {
  readonly bytes: Uint8Array;
  readonly results: readonly LineResult[];
  /** Time the worker was busy with it, microseconds. */
  readonly busyMicros: number;
}
