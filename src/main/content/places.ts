/** Where the contents of workspaces are, by owner and meta ID (spec: content-layers, "Storage"). */
import type { StorageConfig } from "../config/types.ts";
import type { ObjectPlace } from "./storage.ts";

/** Whose content it is. */
export interface ContentOwner {
  readonly owner: string;
  readonly metaId: string;
}

/** The place of an object of a workspace: of its manifest or its backup. */
export function placeOf({ kind, stage, minio }: Pick<StorageConfig, "kind" | "stage" | "minio">, { owner, metaId }: ContentOwner, name: string): ObjectPlace {
  const object = `workspaces/${metaId}/${name}`;
  if (kind === "gcloud") return { bucket: `gitpod-${stage}-user-${owner}`, object };
  // A bucket for all has the owners as folders.
  if (minio.bucket !== undefined) return { bucket: minio.bucket, object: `${owner}/${object}` };
  return { bucket: `gitpod-user-${owner}`, object };
}
