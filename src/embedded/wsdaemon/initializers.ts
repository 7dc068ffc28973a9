/** What the built-in node daemon reads in an initializer: its kind, the snapshots that it needs, and the Git repository that it leaves. */
import { createHash } from "node:crypto";
import { contentservice } from "../../gen/proto.js";

type Initializer = contentservice.WorkspaceInitializer.$Properties;

const kinds = ["empty", "git", "snapshot", "prebuild", "composite", "download", "backup"] as const;

/** Parts of parts that are looked at; deeper ones are left out. */
const maxDepth = 8;

/** The initializer's kind, "none" without one. Nothing else of it may be shown: it can hold passwords and tokens. */
export function kindOf(initializer: Initializer | undefined): string {
  return kinds.find((kind) => initializer?.[kind] !== undefined && initializer[kind] !== null) ?? "none";
}

/** The initializer and all that it consists of. */
function* partsOf(initializer: Initializer | undefined, depth = 0): Generator<Initializer> {
  if (initializer === undefined || depth > maxDepth) return;
  yield initializer;
  for (const part of initializer.composite?.initializer ?? []) yield* partsOf(part, depth + 1);
}

/** Locations of the snapshots that it begins with. */
export function snapshotsOf(initializer: Initializer | undefined): readonly string[] {
  const urls: string[] = [];
  for (const { snapshot, prebuild } of partsOf(initializer)) {
    for (const source of [snapshot, prebuild?.prebuild]) if (source && source.fromVolumeSnapshot !== true) urls.push(source.snapshot ?? "");
  }
  return urls.filter((url) => url !== "");
}

/** The state of the workspace's repository; undefined if nothing says that there is one. The commit follows from the ID. */
export function gitStatusOf(initializer: Initializer | undefined, id: string): contentservice.GitStatus.$Properties | undefined {
  for (const { git, prebuild } of partsOf(initializer)) {
    const clone = git ?? prebuild?.git?.[0];
    if (clone) return { branch: branchOf(clone), latestCommit: createHash("sha1").update(id).digest("hex") };
  }
  return undefined;
}

function branchOf({ targetMode, cloneTaget }: contentservice.GitInitializer.$Properties): string {
  const { REMOTE_BRANCH, LOCAL_BRANCH } = contentservice.CloneTargetMode;
  const named = targetMode === REMOTE_BRANCH || targetMode === LOCAL_BRANCH;
  return (named && cloneTaget) || "main";
}
