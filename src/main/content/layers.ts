/** Which layers bring a workspace its content: the decision (spec: content-layers). */
import { deadline, type Clock } from "../../domain/clock.ts";
import { messageOf, WsmanError } from "../../domain/errors.ts";
import type { Log } from "../../domain/log.ts";
import { Slots } from "../../domain/slots.ts";
import { contentservice } from "../../gen/proto.js";
import type { StorageConfig } from "../config/types.ts";
import { initializerJson } from "./initializer-json.ts";
import { claimLayer, descriptorLayer, readyLayer, type Descriptor, type Layer, type ReadySource } from "./made-layers.ts";
import { isManifest, maxManifestBytes, parseManifest, type ManifestLayer } from "./manifest.ts";
import { placeOf, type ContentOwner } from "./places.ts";
import { remoteLayers } from "./remote-layers.ts";
import { isUsablePlace, type ObjectPlace, type ObjectStorage } from "./storage.ts";

type Initializer = contentservice.WorkspaceInitializer.$Properties;

/** A workspace whose image has its content. */
export interface ContentWorkspace extends ContentOwner {
  readonly initializer: Initializer;
  /** Whether the content is on a volume claim; else a full backup. */
  readonly onClaim: boolean;
}

/** What the layers are made with. */
export interface LayersOptions {
  readonly storage: ObjectStorage;
  readonly config: StorageConfig;
  readonly clock: Clock;
  readonly log: Log;
}

/** Calls at once, and those that wait; more are refused. */
const maxCalls = 32;
const maxWaiting = 1_000;
/** The same for manifests, which whoever begins workspaces asks for: so many may wait that none of those is refused, whatever is asked for image specs. */
const manifestSlots = { max: 32, maxWaiting: 2_000 } as const;
/** Time for all layers of a workspace, waiting included, milliseconds. */
const layersMs = 30_000;

/** A layer made of what tells the workspace how to make its content. */
type Describe = (descriptor: Descriptor) => Promise<Layer>;

/** Makes layers. Rejects with WsmanErrors: FAILED_PRECONDITION for what is wrong with the content, UNAVAILABLE for the storage, RESOURCE_EXHAUSTED if too many calls wait. */
export class ContentLayers {
  readonly #options: LayersOptions;
  readonly #slots = new Slots({ max: maxCalls, maxWaiting, what: "calls for content layers" });
  readonly #manifestSlots = new Slots({ ...manifestSlots, what: "calls for content manifests" });

  constructor(options: LayersOptions) {
    this.#options = options;
  }

  /** The layers of a workspace, from the lowest to the topmost. They hold secrets. */
  of(workspace: ContentWorkspace, signal: AbortSignal): Promise<readonly Layer[]> {
    return this.#decide(this.#slots, workspace, signal, (decision) => decision.layers());
  }

  /** The manifest that a full backup's content comes from, as it lies in the storage; undefined: the content comes from something else. */
  manifestOf(workspace: ContentWorkspace, signal: AbortSignal): Promise<Uint8Array | undefined> {
    return this.#decide(this.#manifestSlots, workspace, signal, (decision) => decision.manifest());
  }

  async #decide<T>(slots: Slots, workspace: ContentWorkspace, signal: AbortSignal, work: (decision: Decision) => Promise<T>): Promise<T> {
    const limit = deadline(this.#options.clock, layersMs, signal);
    try {
      return await slots.run(limit.signal, () => work(new Decision(this.#options, workspace, limit.signal)));
    } catch (error) {
      if (limit.signal.aborted && !signal.aborted) throw new WsmanError("UNAVAILABLE", `the content layers are not there within ${layersMs / 1000} s: try again`);
      throw error;
    } finally {
      limit.cancel();
    }
  }
}

/** What is in the storage; without a manifest it is something else. */
interface Found {
  readonly manifest: readonly ManifestLayer[] | undefined;
  readonly bytes: Uint8Array | undefined;
}

class Decision {
  readonly #options: LayersOptions;
  readonly #workspace: ContentWorkspace;
  readonly #signal: AbortSignal;

  constructor(options: LayersOptions, workspace: ContentWorkspace, signal: AbortSignal) {
    this.#options = options;
    this.#workspace = workspace;
    this.#signal = signal;
  }

  layers(): Promise<readonly Layer[]> {
    return this.#workspace.onClaim ? this.#claim() : this.#fullBackup();
  }

  /** As the layers of a full backup are decided on. */
  async manifest(): Promise<Uint8Array | undefined> {
    const own = await this.#ownManifest();
    if (own) return own.bytes;
    if (await this.#options.storage.info(this.#placeOf("full.tar"), this.#signal)) return undefined;
    const { snapshot, prebuild } = this.#workspace.initializer;
    if (snapshot) return (await this.#lookAtSnapshot(snapshot.snapshot ?? "")).bytes;
    return prebuild ? this.#prebuildManifest(prebuild.prebuild?.snapshot ?? "") : undefined;
  }

  async #prebuildManifest(snapshot: string): Promise<Uint8Array | undefined> {
    try {
      return (await this.#lookAtSnapshot(snapshot)).bytes;
    } catch (error) {
      // Without one that can be used the repositories are cloned. A storage that is away says nothing of it: the next backup would lack the layers that the image has.
      if (error instanceof WsmanError && error.code === "FAILED_PRECONDITION") return undefined;
      throw error;
    }
  }

  async #fullBackup(): Promise<readonly Layer[]> {
    const own = await this.#ownManifest();
    if (own?.manifest) return this.#ready(own.manifest, "from-backup");
    return (await this.#legacyBackup(descriptorLayer)) ?? this.#fromInitializer(descriptorLayer);
  }

  async #ownManifest(): Promise<Found | undefined> {
    const place = this.#placeOf("wsfull.json");
    const found = await this.#look(place);
    if (found && !found.manifest) throw failed(`content manifest ${place.bucket}/${place.object} has an unsupported content type`);
    return found;
  }

  async #claim(): Promise<readonly Layer[]> {
    const backup = await this.#legacyBackup(claimLayer);
    if (backup) return backup;
    const { backup: fromBackup, snapshot, prebuild } = this.#workspace.initializer;
    const onVolume = [fromBackup, snapshot, prebuild?.prebuild].some((part) => part?.fromVolumeSnapshot === true);
    return onVolume ? [await claimLayer(undefined)] : this.#fromInitializer(claimLayer);
  }

  async #legacyBackup(describe: Describe): Promise<readonly Layer[] | undefined> {
    const { storage } = this.#options;
    const place = this.#placeOf("full.tar");
    if (!(await storage.info(place, this.#signal))) return undefined;
    return [await describe({ fromBackupURL: await storage.sign(place, this.#signal) })];
  }

  async #fromInitializer(describe: Describe): Promise<readonly Layer[]> {
    const { initializer } = this.#workspace;
    if (initializer.snapshot) return this.#fromSnapshot(initializer.snapshot.snapshot ?? "");
    if (initializer.prebuild) return this.#fromPrebuildOrGit(initializer.prebuild, describe);
    if (initializer.git || initializer.composite) return [await describe({ req: initializerJson(initializer) })];
    throw failed(initializer.backup ? "no backup found" : "no backup or valid initializer present");
  }

  async #fromSnapshot(snapshot: string): Promise<readonly Layer[]> {
    const { place, manifest } = await this.#lookAtSnapshot(snapshot);
    if (manifest) return this.#ready(manifest, "from-other");
    return [await this.#descriptorWith(snapshot, place)];
  }

  /** A prebuild saves time only: without it the repositories are cloned. */
  async #fromPrebuildOrGit(prebuild: contentservice.PrebuildInitializer.$Properties, describe: Describe): Promise<readonly Layer[]> {
    try {
      return await this.#fromPrebuild(prebuild);
    } catch (error) {
      // Nobody waits, or nothing can be waited for any more.
      if (this.#signal.aborted) throw error;
      const { owner, metaId } = this.#workspace;
      this.#options.log.warn({ owner, metaId, error: error instanceof WsmanError ? messageOf(error) : "internal error" }, "the prebuild can not be used, the repositories are cloned instead");
      return [await describe({ req: initializerJson({ composite: { initializer: (prebuild.git ?? []).map((git) => ({ git })) } }) })];
    }
  }

  async #fromPrebuild(prebuild: contentservice.PrebuildInitializer.$Properties): Promise<readonly Layer[]> {
    const snapshot = prebuild.prebuild?.snapshot ?? "";
    const { place, manifest } = await this.#lookAtSnapshot(snapshot);
    if (!manifest) return [await this.#descriptorWith(snapshot, place)];
    const gitParts = { prebuild: { git: prebuild.git ?? [] } };
    return [...(await this.#remote(manifest)), await descriptorLayer({ req: initializerJson(gitParts) })];
  }

  /** Has the workspace download a snapshot by itself. */
  async #descriptorWith(snapshot: string, place: ObjectPlace): Promise<Layer> {
    const url = await this.#options.storage.sign(place, this.#signal);
    return descriptorLayer({ urls: { [snapshot]: url }, req: initializerJson(this.#workspace.initializer) });
  }

  async #ready(manifest: readonly ManifestLayer[], source: ReadySource): Promise<readonly Layer[]> {
    return [...(await this.#remote(manifest)), await readyLayer(source)];
  }

  #remote(manifest: readonly ManifestLayer[]): Promise<readonly Layer[]> {
    return remoteLayers(this.#options.storage, manifest, this.#signal);
  }

  async #lookAtSnapshot(snapshot: string): Promise<Found & { readonly place: ObjectPlace }> {
    const place = snapshotPlace(snapshot);
    const found = await this.#look(place);
    if (!found) throw failed("invalid snapshot: not found");
    return { place, ...found };
  }

  /** What is at a place: undefined if nothing is; without a manifest if it is something else. */
  async #look(place: ObjectPlace): Promise<Found | undefined> {
    const { storage } = this.#options;
    const info = await storage.info(place, this.#signal);
    if (!info) return undefined;
    if (!isManifest(info.contentType)) return { manifest: undefined, bytes: undefined };
    const bytes = await storage.read(place, maxManifestBytes, this.#signal);
    return { manifest: parseManifest(bytes, place), bytes };
  }

  #placeOf(name: string): ObjectPlace {
    const place = placeOf(this.#options.config, this.#workspace, name);
    if (!isUsablePlace(place)) throw failed("the workspace's owner and meta ID can be no names in the content storage");
    return place;
  }
}

/** The place that a snapshot's name means. */
function snapshotPlace(snapshot: string): ObjectPlace {
  const [object = "", bucket, ...more] = snapshot.split("@");
  if (bucket === undefined || more.length > 0) throw failed("invalid snapshot: its name must be <object>@<bucket>");
  const place = { bucket, object };
  if (!isUsablePlace(place)) throw failed("invalid snapshot: its name can be no object's and no bucket's");
  return place;
}

function failed(message: string): WsmanError {
  return new WsmanError("FAILED_PRECONDITION", message);
}
