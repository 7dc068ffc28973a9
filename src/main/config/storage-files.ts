/** Files that hold the credentials of the content storage. */
import { messageOf } from "../../domain/errors.ts";
import { checkReadable } from "./files.ts";
import type { StorageConfig } from "./types.ts";

/** What is wrong with the files that the storage needs, one per line. They may come later, and most calls need no storage: so this is no reason not to start. */
export async function storageFileWarnings({ kind, gcloud, minio }: StorageConfig): Promise<readonly string[]> {
  const warnings: string[] = [];
  for (const [key, file] of filesOf(kind, gcloud, minio)) {
    await checkReadable(`content.storage.${key}`, file).catch((error: unknown) => warnings.push(`${messageOf(error)}: image specs with content layers can not be given`));
  }
  return warnings;
}

function* filesOf(kind: StorageConfig["kind"], gcloud: StorageConfig["gcloud"], minio: StorageConfig["minio"]): Generator<readonly [key: string, file: string]> {
  if (kind === "gcloud" && gcloud.credentialsFile !== undefined) yield ["gcloud.credentialsFile", gcloud.credentialsFile];
  if (kind !== "minio") return;
  if (minio.accessKey === undefined && minio.accessKeyFile !== undefined) yield ["minio.accessKeyFile", minio.accessKeyFile];
  if (minio.secretKey === undefined && minio.secretKeyFile !== undefined) yield ["minio.secretKeyFile", minio.secretKeyFile];
}
