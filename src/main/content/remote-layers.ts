/** Layers that lie in the storage, as a manifest names them: signed, and compared with what is there. */
import { WsmanError } from "../../domain/errors.ts";
import { registryfacade } from "../../gen/proto.js";
import type { Layer } from "./made-layers.ts";
import type { ManifestLayer } from "./manifest.ts";
import type { ObjectStorage } from "./storage.ts";

/** Of one workspace, looked at at once. */
const atOnce = 8;

/** The layers of a manifest, in its order. Rejects with FAILED_PRECONDITION if an object is not there, or is another one than the manifest's. */
export async function remoteLayers(storage: ObjectStorage, manifest: readonly ManifestLayer[], signal: AbortSignal): Promise<readonly Layer[]> {
  const layers: Layer[] = [];
  for (let i = 0; i < manifest.length; i += atOnce) {
    layers.push(...(await Promise.all(manifest.slice(i, i + atOnce).map((layer) => remoteLayer(storage, layer, signal)))));
  }
  return layers;
}

async function remoteLayer(storage: ObjectStorage, layer: ManifestLayer, signal: AbortSignal): Promise<Layer> {
  const { bucket, object, digest, diffId, mediaType, size } = layer;
  const info = await storage.info(layer, signal);
  if (!info) throw new WsmanError("FAILED_PRECONDITION", `content layer ${bucket}/${object} does not exist`);
  if (info.digest !== digest) throw new WsmanError("FAILED_PRECONDITION", `digest mismatch for ${bucket}/${object}: expected ${digest}, got ${info.digest}`);
  return { remote: registryfacade.RemoteContentLayer.fromObject({ url: await storage.sign(layer, signal), digest, diffId, mediaType, size }) };
}
