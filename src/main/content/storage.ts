/** Object storage as content layers need it, whatever server is behind it: a look at an object, a link that downloads it, a small object's bytes (spec: content-layers). */

/** Where an object is. */
export interface ObjectPlace {
  readonly bucket: string;
  readonly object: string;
}

/** What is known of an object. */
export interface ObjectInfo {
  readonly contentType: string;
  /** Metadata gitpod-digest; empty if it has none. */
  readonly digest: string;
}

/** Storage within bounds of time and number. All methods reject with WsmanErrors: UNAVAILABLE for whatever the storage does but answer or say that there is no such object. */
export interface ObjectStorage {
  /** An object's metadata; undefined if there is no such object or bucket. */
  info(place: ObjectPlace, signal: AbortSignal): Promise<ObjectInfo | undefined>;
  /** A link that downloads an object, for {@link signedForSeconds}: a secret. Does not look whether the object is there. */
  sign(place: ObjectPlace, signal: AbortSignal): Promise<string>;
  /**
   * The bytes of an object that `info` has seen: that they are not there is UNAVAILABLE, for whoever took it for "there is no object" would have the
   * next backup overwrite this one. Rejects with FAILED_PRECONDITION if it is larger.
   */
  read(place: ObjectPlace, maxBytes: number, signal: AbortSignal): Promise<Buffer>;
}

/** One kind of storage. Rejects with whatever its library throws; what that means is told by `reasonOf`. */
export interface StorageDriver {
  /** Undefined only if the storage itself says that there is no such object or bucket. The signal may be ignored. */
  info(place: ObjectPlace, signal: AbortSignal): Promise<ObjectInfo | undefined>;
  sign(place: ObjectPlace): Promise<string>;
  close(): void;
}

/** How long a signed link is valid. */
export const signedForSeconds = 30 * 60;

/** Metadata of an object that holds its digest; names of metadata are case-insensitive. */
const digestKey = "gitpod-digest";

/** The digest among an object's metadata. */
export function digestIn(metadata: Readonly<Record<string, unknown>> | undefined): string {
  const found = Object.entries(metadata ?? {}).find(([key]) => key.toLowerCase() === digestKey)?.[1];
  return typeof found === "string" ? found : "";
}

/** Longest name of an object, bytes: that of both kinds of storage. */
const maxObjectBytes = 1024;

/**
 * Whether an object can be there. Names of snapshots come from outside, and become parts of paths: what could lead elsewhere than to that object of that bucket is none.
 */
export function isUsablePlace({ bucket, object }: ObjectPlace): boolean {
  if (!/^[A-Za-z0-9](?:[A-Za-z0-9_-]|\.(?!\.)){1,220}[A-Za-z0-9]$/.test(bucket)) return false;
  if (object === "" || !object.isWellFormed() || Buffer.byteLength(object) > maxObjectBytes || /\p{Cc}/u.test(object)) return false;
  return object.split("/").every((part) => part !== "" && part !== "." && part !== "..");
}
