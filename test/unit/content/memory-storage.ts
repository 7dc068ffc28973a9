/** Storage in memory. */
import { WsmanError } from "../../../src/domain/errors.ts";
import type { ObjectInfo, ObjectPlace, ObjectStorage } from "../../../src/main/content/storage.ts";

/** An object. */
export interface StoredObject {
  readonly contentType?: string;
  readonly digest?: string;
  /** Its bytes; without them it can be looked at, and not read. */
  readonly text?: string;
}

/** Content type of manifests. */
export const manifestType = "application/vnd.gitpod.ws.manifest.v1+json";

/** Objects by "bucket/object". */
export class MemoryStorage implements ObjectStorage {
  readonly objects = new Map<string, StoredObject>();
  /** What looking at an object rejects with. */
  readonly failures = new Map<string, Error>();
  /** Objects that were looked at, in order. */
  readonly asked: string[] = [];
  /** Lookups under way, and the most there ever were. */
  running = 0;
  peak = 0;
  /** What a lookup waits for. */
  gate: Promise<void> = Promise.resolve();

  async info(place: ObjectPlace, signal: AbortSignal): Promise<ObjectInfo | undefined> {
    const key = keyOf(place);
    this.asked.push(key);
    this.peak = Math.max(this.peak, ++this.running);
    try {
      if (!signal.aborted) await Promise.race([this.gate, new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }))]);
      if (signal.aborted) throw new WsmanError("CANCELLED", "cancelled");
      const failure = this.failures.get(key);
      if (failure) throw failure;
      const found = this.objects.get(key);
      return found && { contentType: found.contentType ?? "application/octet-stream", digest: found.digest ?? "" };
    } finally {
      this.running--;
    }
  }

  async sign(place: ObjectPlace): Promise<string> {
    return `https://signed/${keyOf(place)}?signature=secret`;
  }

  async read(place: ObjectPlace, maxBytes: number): Promise<Buffer> {
    const text = this.objects.get(keyOf(place))?.text;
    if (text === undefined) throw new WsmanError("UNAVAILABLE", "the storage answered 404");
    if (text.length > maxBytes) throw new WsmanError("FAILED_PRECONDITION", `the object is larger than ${maxBytes} bytes`);
    return Buffer.from(text);
  }
}

function keyOf({ bucket, object }: ObjectPlace): string {
  return `${bucket}/${object}`;
}

/** A manifest's text. Its layers are in the bucket `layers`. */
export function manifestText(names: readonly string[], members: object = {}): string {
  const layers = names.map((name) => ({ mediaType: "application/vnd.oci.image.layer.v1.tar+gzip", digest: digestOf(name), diffID: digestOf(`${name}-plain`), size: 1000 + name.length, bucket: "layers", object: name, instanceID: "i" }));
  return JSON.stringify({ type: "application/vnd.gitpod.wsfull.v1", layers, ...members });
}

/** A digest for a name. */
export function digestOf(name: string): string {
  return `sha256:${Buffer.from(name).toString("hex").padEnd(64, "0").slice(0, 64)}`;
}
