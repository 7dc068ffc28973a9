/** What finalization reads from a pod, and how it writes down what became of the content: pure (spec: lifecycle, "Finalization"; wire, "JSON on Pods"). */
import { parseObject, asObject, objectAt, objectsAt, textAt, type JsonObject } from "../../domain/json.ts";
import { annotations, labels } from "../../domain/names.ts";
import { parseTimeMs } from "../../domain/rfc3339.ts";
import { wsman, type contentservice } from "../../gen/proto.js";

/** A pod that is finalized. */
export interface DisposalFacts {
  readonly uid: string;
  readonly resourceVersion: string;
  /** Where it runs, or ran. Empty: nowhere. */
  readonly nodeName: string;
  /** Unix milliseconds; undefined while it is not being deleted. */
  readonly deletedAt: number | undefined;
  /** The content's end is written down already. */
  readonly complete: boolean;
  /** What is written down of it; empty: nothing. */
  readonly disposal: string;
  readonly everReady: boolean;
  /** A container has started at some time: there may be content that nobody waited for. */
  readonly everStarted: boolean;
  /** It has a claim for its content. */
  readonly hasClaim: boolean;
  /** As they were noted before; empty: not. */
  readonly snapshot: string;
  readonly volumeSnapshot: string;
}

/** Reads them. @throws SyntaxError if it is no JSON. */
export function disposalFacts(pod: Uint8Array): DisposalFacts {
  const object = parseObject(pod);
  const metadata = objectAt(object, "metadata");
  const noted = objectAt(metadata, "annotations");
  const status = objectAt(object, "status");
  return {
    uid: textAt(metadata, "uid"),
    resourceVersion: textAt(metadata, "resourceVersion"),
    nodeName: textAt(objectAt(object, "spec"), "nodeName") || textAt(noted, annotations.nodeName),
    deletedAt: parseTimeMs(textAt(metadata, "deletionTimestamp")),
    complete: isComplete(textAt(noted, annotations.disposalStatus)),
    disposal: textAt(noted, annotations.disposalStatus),
    everReady: noted?.[annotations.neverReady] === undefined,
    everStarted: [...objectsAt(status, "containerStatuses"), ...objectsAt(status, "initContainerStatuses")].some(hasStarted),
    hasClaim: textAt(objectAt(metadata, "labels"), labels.pvcFeature) === "true",
    snapshot: textAt(noted, annotations.snapshot),
    volumeSnapshot: volumeSnapshotName(textAt(noted, annotations.volumeSnapshot)),
  };
}

/** What is to be done about the content. */
export interface DisposalPlan {
  /** Users' work is to be saved. */
  readonly backup: boolean;
  /** What a prebuild made is to be kept for those who start from it. */
  readonly snapshot: boolean;
  readonly logs: boolean;
  /** There is nothing on any node. */
  readonly nothing: boolean;
}

/** The plan for a workspace. */
export function planDisposal({ everReady, everStarted, nodeName }: DisposalFacts, { type, headless }: { readonly type: wsman.WorkspaceType; readonly headless: boolean }): DisposalPlan {
  const backup = everReady && !headless;
  const prebuild = type === wsman.WorkspaceType.PREBUILD;
  // What never started has no content of its own.
  const snapshot = prebuild && (everReady || everStarted);
  return { backup, snapshot, logs: prebuild, nothing: !backup && !snapshot && nodeName === "" };
}

/** The annotation that ends a finalization. */
export function disposalStatus(outcome: { readonly failure: string; readonly gitStatus: contentservice.GitStatus.$Properties | undefined }): string {
  const { failure, gitStatus } = outcome;
  return JSON.stringify({ backupComplete: true, ...(failure !== "" && { backupFailure: failure }), ...(gitStatus && { gitStatus: gitStatusJson(gitStatus) }) });
}

/** Names as in the contract; empty members are left out. */
function gitStatusJson(git: contentservice.GitStatus.$Properties): JsonObject {
  const members = {
    branch: git.branch, latest_commit: git.latestCommit,
    uncommited_files: git.uncommitedFiles, total_uncommited_files: Number(git.totalUncommitedFiles ?? 0),
    untracked_files: git.untrackedFiles, total_untracked_files: Number(git.totalUntrackedFiles ?? 0),
    unpushed_commits: git.unpushedCommits, total_unpushed_commits: Number(git.totalUnpushedCommits ?? 0),
  };
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined && value !== null && value !== "" && value !== 0 && !(Array.isArray(value) && value.length === 0)));
}

/** Whether an annotation says that the content has come to its end. */
function isComplete(text: string): boolean {
  return jsonOf(text)?.["backupComplete"] === true;
}

function volumeSnapshotName(text: string): string {
  return textAt(jsonOf(text), "volumeSnapshotName");
}

function jsonOf(text: string): JsonObject | undefined {
  if (text === "") return undefined;
  try {
    return asObject(JSON.parse(text));
  } catch {
    return undefined;
  }
}

function hasStarted(container: JsonObject): boolean {
  const state = objectAt(container, "state");
  const terminated = objectAt(state, "terminated") ?? objectAt(objectAt(container, "lastState"), "terminated");
  return objectAt(state, "running") !== undefined || typeof terminated?.["startedAt"] === "string" || container["started"] === true;
}
