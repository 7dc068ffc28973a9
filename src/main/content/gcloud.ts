/** Google Cloud Storage: the JSON API, and links with V4 signatures. */
import { asObject, objectsAt } from "../../domain/json.ts";
import { digestIn, signedForSeconds, type StorageDriver } from "./storage.ts";
import { statusOf } from "./reasons.ts";

/** How it is reached. */
export interface GcloudOptions {
  readonly projectId?: string | undefined;
  /** Key of a service account, read once; without it, the machine's own identity. */
  readonly credentialsFile?: string | undefined;
  /** Another server, for tests. */
  readonly apiEndpoint?: string | undefined;
  /** The wall clock, Unix milliseconds. */
  readonly now: () => number;
}

/** Time for one attempt, milliseconds, and for all of them, seconds. */
const attemptMs = 5_000;
const totalSeconds = 8;

/** Loads the library and makes a driver. No connection is made yet. */
export async function openGcloud({ projectId, credentialsFile, apiEndpoint, now }: GcloudOptions): Promise<StorageDriver> {
  const { Storage } = await import("@google-cloud/storage");
  const storage = new Storage({
    ...(projectId !== undefined && { projectId }),
    ...(credentialsFile !== undefined && { keyFilename: credentialsFile }),
    ...(apiEndpoint !== undefined && { apiEndpoint }),
    timeout: attemptMs,
    retryOptions: { autoRetry: true, maxRetries: 1, maxRetryDelay: 1, totalTimeout: totalSeconds },
  });
  return {
    async info({ bucket, object }) {
      try {
        const [{ contentType = "", metadata }] = await storage.bucket(bucket).file(object).getMetadata();
        return { contentType, digest: digestIn(metadata) };
      } catch (error) {
        if (isMissing(error)) return undefined;
        throw error;
      }
    },
    async sign({ bucket, object }) {
      const [url] = await storage.bucket(bucket).file(object).getSignedUrl({ version: "v4", action: "read", expires: now() + signedForSeconds * 1000 });
      return url;
    },
    close() {
      // The library keeps connections for a while only.
    },
  };
}

/** A 404 that names no reason may be a proxy's. */
function isMissing(error: unknown): boolean {
  return statusOf(error) === 404 && objectsAt(asObject(error), "errors").some(({ reason }) => reason === "notFound");
}
