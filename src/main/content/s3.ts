/** S3 and what speaks its protocol, minio among them: path style, signature version 4. */
import { readFile } from "node:fs/promises";
import { WsmanError } from "../../domain/errors.ts";
import type { StorageConfig } from "../config/types.ts";
import { nameOf, statusOf } from "./reasons.ts";
import { digestIn, signedForSeconds, type ObjectInfo, type ObjectPlace, type StorageDriver } from "./storage.ts";

/** Files with keys are read again after this time, milliseconds, so that keys can be exchanged. */
const keysMs = 10 * 60_000;
/** Of servers that know no regions. */
const defaultRegion = "us-east-1";
const connectMs = 5_000;
const maxSockets = 64;
/** The reasons for a 404 that mean that there is no such object. */
const missing: ReadonlySet<string> = new Set(["NoSuchKey", "NoSuchBucket"]);

/** Loads the library and makes a driver. No connection is made yet. @param now the wall clock, Unix milliseconds. */
export async function openS3(config: StorageConfig["minio"], now: () => number): Promise<StorageDriver> {
  const { S3Client, HeadObjectCommand, GetObjectCommand } = await import("@aws-sdk/client-s3");
  const { getSignedUrl } = await import("@aws-sdk/s3-request-presigner");
  const client = new S3Client({
    endpoint: `${config.secure ? "https" : "http"}://${config.endpoint ?? ""}`,
    region: config.region ?? defaultRegion,
    forcePathStyle: true,
    credentials: async () => ({ accessKeyId: await keyOf(config.accessKey?.reveal(), config.accessKeyFile), secretAccessKey: await keyOf(config.secretKey?.reveal(), config.secretKeyFile), expiration: new Date(now() + keysMs) }),
    maxAttempts: 3,
    retryMode: "standard",
    // Others than AWS do not know its newer checksums.
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
    requestHandler: { connectionTimeout: connectMs, httpAgent: { maxSockets, keepAlive: true }, httpsAgent: { maxSockets, keepAlive: true } },
  });

  /** A HEAD's 404 has no body, and may be a proxy's: whether there is no such object is told by a GET, with a name. */
  const isMissing = async ({ bucket, object }: ObjectPlace, abortSignal: AbortSignal): Promise<boolean> => {
    try {
      const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key: object, Range: "bytes=0-0" }), { abortSignal });
      await Body?.transformToByteArray();
      return false;
    } catch (error) {
      if (statusOf(error) === 404 && missing.has(nameOf(error))) return true;
      throw error;
    }
  };

  return {
    async info(place, abortSignal): Promise<ObjectInfo | undefined> {
      try {
        const { ContentType = "", Metadata } = await client.send(new HeadObjectCommand({ Bucket: place.bucket, Key: place.object }), { abortSignal });
        return { contentType: ContentType, digest: digestIn(Metadata) };
      } catch (error) {
        if (statusOf(error) !== 404) throw error;
        if (await isMissing(place, abortSignal)) return undefined;
        throw new WsmanError("UNAVAILABLE", `the content storage changed its mind about ${place.bucket}/${place.object}: try again`);
      }
    },
    sign: ({ bucket, object }) => getSignedUrl(client, new GetObjectCommand({ Bucket: bucket, Key: object }), { expiresIn: signedForSeconds }),
    close: () => client.destroy(),
  };
}

async function keyOf(key: string | undefined, file: string | undefined): Promise<string> {
  return key ?? (await readFile(file ?? "", "utf8")).trim();
}
