/** What finalization reads from a pod, and how it writes down what became of the content: pure (spec: lifecycle, "Finalization"; wire, "JSON on Pods"). */
import { hasStarted } from "../../domain/containers.ts";
import { objectAt, objectIn, objectsAt, parseObject, textAt, type JsonObject } from "../../domain/json.ts";
import { annotations, labels } from "../../domain/names.ts";
import { withinBytes } from "../../domain/redact.ts";
import { parseTimeMs } from "../../domain/rfc3339.ts";
import { wsman, type contentservice } from "../../gen/proto.js";

/** A pod that is finalized. */
export interface DisposalFacts {
  readonly uid: string;
  readonly resourceVersion: string;
  /** Its own creation, Unix milliseconds; undefined if that can not be read. */
  readonly createdAt: number | undefined;
  /** Where it runs, or ran. Empty: nowhere. */
  readonly nodeName: string;
  /** Unix milliseconds; undefined while it is not being deleted. */
  readonly deletedAt: number | undefined;
  /** From when its time counts, as it was noted; undefined: it was not. */
  readonly disposalSince: number | undefined;
  /** The content's end is written down already. */
  readonly complete: boolean;
  /** How, or whatever else stands there; empty: nothing. */
  readonly disposalStatus: string;
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
    createdAt: parseTimeMs(textAt(metadata, "creationTimestamp")),
    nodeName: textAt(objectAt(object, "spec"), "nodeName") || textAt(noted, annotations.nodeName),
    deletedAt: parseTimeMs(textAt(metadata, "deletionTimestamp")),
    disposalSince: parseTimeMs(textAt(noted, annotations.disposalSince)),
    complete: isComplete(textAt(noted, annotations.disposalStatus)),
    disposalStatus: textAt(noted, annotations.disposalStatus),
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

/** Whether there is work of a user in it that is saved at its end: it could be used, and is no headless workspace. */
export function isBackedUp({ everReady, headless }: { readonly everReady: boolean; readonly headless: boolean }): boolean {
  return everReady && !headless;
}

/** The plan for a workspace. */
export function planDisposal({ everReady, everStarted, nodeName }: DisposalFacts, { type, headless }: { readonly type: wsman.WorkspaceType; readonly headless: boolean }): DisposalPlan {
  const backup = isBackedUp({ everReady, headless });
  const prebuild = type === wsman.WorkspaceType.PREBUILD;
  // What never started has no content of its own.
  const snapshot = prebuild && (everReady || everStarted);
  return { backup, snapshot, logs: prebuild, nothing: !backup && !snapshot && nodeName === "" };
}

/**
 * Bytes of one text, and of the texts in one list, that are written down: all annotations of a pod share 256 KiB, and where there is no room for the end of a content, the workspace does
 * not end. At most 31 KiB in all, where every character has to be escaped; 16 KiB otherwise.
 */
export const maxWritten = { failure: 2_048, text: 512, list: 4_096 } as const;

/** The annotation that ends a finalization. Texts that are too long are cut, and lists hold what fits: their totals tell of the rest. */
export function disposalStatus(outcome: { readonly failure: string; readonly gitStatus: contentservice.GitStatus.$Properties | undefined }): string {
  const { failure, gitStatus } = outcome;
  return JSON.stringify({ backupComplete: true, ...(failure !== "" && { backupFailure: withinBytes(failure, maxWritten.failure) }), ...(gitStatus && { gitStatus: gitStatusJson(gitStatus) }) });
}

/** Names as in the contract; empty members are left out. */
function gitStatusJson(git: contentservice.GitStatus.$Properties): JsonObject {
  const members = {
    branch: fittingText(git.branch), latest_commit: fittingText(git.latestCommit),
    uncommited_files: fitting(git.uncommitedFiles), total_uncommited_files: Number(git.totalUncommitedFiles ?? 0),
    untracked_files: fitting(git.untrackedFiles), total_untracked_files: Number(git.totalUntrackedFiles ?? 0),
    unpushed_commits: fitting(git.unpushedCommits), total_unpushed_commits: Number(git.totalUnpushedCommits ?? 0),
  };
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== "" && value !== 0 && !(Array.isArray(value) && value.length === 0)));
}

function fittingText(text: string | null | undefined): string {
  return withinBytes(text ?? "", maxWritten.text);
}

/** Whole entries only: half a path would be that of another file. */
function fitting(list: readonly string[] | null | undefined): readonly string[] {
  let left: number = maxWritten.list;
  return (list ?? []).filter((entry) => {
    const size = Buffer.byteLength(JSON.stringify(entry)) + 1;
    const fits = size <= left;
    if (fits) left -= size;
    return fits;
  });
}

/** Whether an annotation says that the content has come to its end. */
function isComplete(text: string): boolean {
  return objectIn(text)?.["backupComplete"] === true;
}

/** One that has no handle does not count: it is looked for again. */
function volumeSnapshotName(text: string): string {
  const noted = objectIn(text);
  return textAt(noted, "volumeSnapshotHandle") === "" ? "" : textAt(noted, "volumeSnapshotName");
}
