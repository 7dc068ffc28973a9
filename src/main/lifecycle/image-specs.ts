/** Image specs of workspaces: what their pods say, and the layers with their content where the image has it (spec: api, GetImageSpec; content-layers). */
import { decodeBase64 } from "../../domain/base64.ts";
import { WsmanError } from "../../domain/errors.ts";
import { objectAt, textAt, type JsonObject } from "../../domain/json.ts";
import { annotations, labels } from "../../domain/names.ts";
import { contentservice, registryfacade } from "../../gen/proto.js";
import type { ContentLayers } from "../content/layers.ts";
import { isMissing, metadataIn, podPath, type KubeObjects } from "../kube/objects.ts";
import type { WorkspaceRecord } from "../state/registry.ts";
import { toClientError } from "./errors.ts";

/** What they are made with. */
export interface ImageSpecsOptions {
  readonly objects: Pick<KubeObjects, "get">;
  /** Undefined: no storage is configured. */
  readonly layers: Pick<ContentLayers, "of"> | undefined;
}

/** Gives image specs. Rejects with WsmanErrors only. */
export class ImageSpecs {
  readonly #options: ImageSpecsOptions;

  constructor(options: ImageSpecsOptions) {
    this.#options = options;
  }

  /** The encoded registryfacade.ImageSpec of a workspace: as it stands on the pod, with content layers behind those that it has. It may hold signed links. */
  async get({ facts: { podName } }: WorkspaceRecord, signal: AbortSignal): Promise<Uint8Array> {
    const metadata = await this.#metadataOf(podName, signal);
    const stored = packed(metadata, annotations.imageSpec);
    if (stored === undefined) throw failed("workspace has no image spec");
    decode(registryfacade.ImageSpec, stored, annotations.imageSpec);
    const layers = await this.#contentLayers(metadata, signal);
    if (layers.length === 0) return stored;
    // Messages one behind the other are one message with the members of both.
    return Buffer.concat([stored, registryfacade.ImageSpec.encode({ contentLayer: [...layers] }).finish()]);
  }

  async #contentLayers(metadata: JsonObject | undefined, signal: AbortSignal): Promise<readonly registryfacade.ContentLayer.$Properties[]> {
    const has = (label: string): boolean => textAt(objectAt(metadata, "labels"), label) === "true";
    const fullBackup = has(labels.fullWorkspaceBackup);
    if (!fullBackup && !has(labels.pvcFeature)) return [];
    const { layers } = this.#options;
    if (!layers) throw failed("the workspace's content comes in layers, and content.storage is not configured");
    const [owner, metaId] = [textAt(objectAt(metadata, "labels"), labels.owner), textAt(objectAt(metadata, "labels"), labels.metaId)];
    if (owner === "" || metaId === "") throw failed(`the workspace's pod has no label ${owner === "" ? labels.owner : labels.metaId}`);
    const bytes = packed(metadata, annotations.contentInitializer) ?? Buffer.alloc(0);
    const initializer = decode(contentservice.WorkspaceInitializer, bytes, annotations.contentInitializer);
    return layers.of({ owner, metaId, initializer, onClaim: !fullBackup }, signal);
  }

  /** Of the pod that has the workspace's name now, which is the workspace's whatever became of the one that was known. */
  async #metadataOf(podName: string, signal: AbortSignal): Promise<JsonObject | undefined> {
    try {
      return metadataIn(await this.#options.objects.get(podPath(podName), { priority: "user", signal }));
    } catch (error) {
      if (isMissing(error)) throw new WsmanError("NOT_FOUND", "not found");
      throw toClientError(error, "read the workspace's pod");
    }
  }
}

/** Bytes of an annotation; undefined if there is none. */
function packed(metadata: JsonObject | undefined, key: string): Buffer | undefined {
  const text = textAt(objectAt(metadata, "annotations"), key);
  if (text === "") return undefined;
  const bytes = decodeBase64(text);
  if (!bytes) throw failed(`annotation ${key} of the workspace's pod is no base64`);
  return bytes;
}

/** The decoder's own words would quote the bytes, which may be secret. */
function decode<T>(type: { decode(bytes: Uint8Array): T }, bytes: Uint8Array, key: string): T {
  try {
    return type.decode(bytes);
  } catch {
    throw failed(`annotation ${key} of the workspace's pod can not be decoded`);
  }
}

function failed(message: string): WsmanError {
  return new WsmanError("FAILED_PRECONDITION", message);
}
