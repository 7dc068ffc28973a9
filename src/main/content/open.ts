/** The storage that the configuration names. */
import type { Clock } from "../../domain/clock.ts";
import type { StorageConfig } from "../config/types.ts";
import { BoundedStorage } from "./bounded.ts";
import type { StorageDriver } from "./storage.ts";

/** The storage; undefined if none is configured. Its library, which is heavy, is loaded by the first call that needs it. */
export function openStorage(config: StorageConfig, clock: Clock): BoundedStorage | undefined {
  if (config.kind === "") return undefined;
  const now = (): number => clock.now();
  const open = async (): Promise<StorageDriver> => {
    if (config.kind === "gcloud") return (await import("./gcloud.ts")).openGcloud({ ...config.gcloud, now });
    return (await import("./s3.ts")).openS3(config.minio, now);
  };
  return new BoundedStorage({ open, clock });
}
