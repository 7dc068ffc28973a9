/** Manifests of workspace contents: which layers they are made of (spec: content-layers). They lie in the storage, so nothing in them is believed unseen. */
import { z } from "zod";
import { messageOf, WsmanError } from "../../domain/errors.ts";
import { isUsablePlace, type ObjectPlace } from "./storage.ts";

/** Content type of a manifest's object. */
export const manifestContentType = "application/vnd.gitpod.ws.manifest.v1+json";
/** Largest manifest, bytes. */
export const maxManifestBytes = 1024 * 1024;

const manifestType = "application/vnd.gitpod.wsfull.v1";
/** No image can have as many. */
const maxLayers = 256;

/** A layer of a manifest. */
export interface ManifestLayer extends ObjectPlace {
  readonly mediaType: string;
  readonly digest: string;
  /** Digest of the uncompressed tar. */
  readonly diffId: string;
  /** Bytes. */
  readonly size: number;
}

const digest = z.string().max(255).regex(/^[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[A-Za-z0-9=_-]+$/, "is no digest");
const layer = z.object({
  mediaType: z.string().min(1).max(255),
  digest,
  size: z.int().min(0),
  bucket: z.string(),
  object: z.string(),
  // Go writes an empty text for none.
  diffID: z.union([digest, z.literal("")]).nullish(),
}).refine(isUsablePlace, "names no object of a bucket")
  .refine(({ diffID, mediaType }) => Boolean(diffID) || !/[+.](?:gzip|zstd)$/.test(mediaType), { message: "is required for a compressed layer", path: ["diffID"] });
const manifest = z.object({ type: z.literal(manifestType), layers: z.array(layer).max(maxLayers).nullish() });

/** Whether an object of this content type is a manifest. */
export function isManifest(contentType: string): boolean {
  return contentType.split(";")[0]?.trim().toLowerCase() === manifestContentType;
}

/** Reads a manifest. @throws WsmanError FAILED_PRECONDITION that names the manifest, the member and the reason. */
export function parseManifest(bytes: Uint8Array, place: ObjectPlace): readonly ManifestLayer[] {
  const parsed = manifest.safeParse(parse(bytes, place));
  const [issue] = parsed.error?.issues ?? [];
  if (!parsed.success) throw invalid(place, `${issue?.path.join(".") ?? ""}: ${issue?.message ?? ""}`);
  return (parsed.data.layers ?? []).map(({ diffID, ...layer }) => ({ ...layer, diffId: diffID || layer.digest }));
}

function parse(bytes: Uint8Array, place: ObjectPlace): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    throw invalid(place, error instanceof SyntaxError ? "it is no JSON" : messageOf(error));
  }
}

function invalid({ bucket, object }: ObjectPlace, why: string): WsmanError {
  return new WsmanError("FAILED_PRECONDITION", `invalid content manifest ${bucket}/${object}: ${why}`);
}
