/** Brings a workspace's content in place, and waits until the workspace can be used (spec: lifecycle, "Content initialization", "Ready probe"). */
import { sleep } from "../../domain/clock.ts";
import { messageOf, RemoteError } from "../../domain/errors.ts";
import type { WorkspaceFacts } from "../../domain/messages.ts";
import { annotations } from "../../domain/names.ts";
import { parseQuantity } from "../../domain/quantity.ts";
import { publicText, withinBytes } from "../../domain/redact.ts";
import { wsdaemon, wsman } from "../../gen/proto.js";
import type { LifecycleMetrics } from "../../metrics/lifecycle.ts";
import type { WorkspaceClass } from "../config/types.ts";
import type { ContentWorkspace } from "../content/layers.ts";
import type { AnnotationChanges, Wish } from "../kube/objects.ts";
import type { WorkspaceRecord } from "../state/registry.ts";
import type { NodeDaemonClient } from "../wsdaemon/client.ts";
import { grpc, grpcCodeOf, insist, isOvertaken, type Insistence, type Note, type Permit } from "./acting.ts";
import { maxWritten } from "./disposal.ts";
import { Gate, type GateLimits } from "./gate.ts";
import type { ReadyProbe } from "./probe.ts";
import type { PodWriter } from "./pod-writer.ts";

/** What it works with. */
export interface ContentOptions extends Insistence {
  readonly nodes: Pick<NodeDaemonClient, "initWorkspace" | "waitForInit">;
  readonly probe: Pick<ReadyProbe, "ready">;
  readonly writer: Pick<PodWriter, "decide">;
  /** Where a workspace is to be reached; undefined if it is gone. */
  readonly urlOf: (record: WorkspaceRecord) => Promise<string | undefined>;
  /** Has the pod read again, for what was not told of it. */
  readonly reread: (record: WorkspaceRecord) => Promise<unknown>;
  /** The manifest that a full backup's content comes from; undefined: there is none, or no storage is configured. Rejects with WsmanErrors. */
  readonly manifestOf: (workspace: ContentWorkspace, signal: AbortSignal) => Promise<Uint8Array | undefined>;
  readonly classes: readonly WorkspaceClass[];
  readonly note: Note;
  readonly metrics: Pick<LifecycleMetrics, "initialized" | "restore" | "volumeRestored">;
}

const { STOPPING, STOPPED } = wsman.WorkspacePhase;
/** A node daemon that is not there, or not reachable, is tried again every so often, and for so long since it is away, milliseconds. */
const retryEveryMs = 5_000;
const retryForMs = 2 * 60_000;
/** Bytes of what others said that are logged. */
const maxLogged = 500;
/** Content that the node daemon does not know of is asked for again so many times. */
const maxInits = 3;
/** A node runs some hundred pods at most: what hangs on one, or on twenty, leaves room for the others. Each costs a call. */
export const contentLimits = { initialize: { total: 2_000, perNode: 100 }, wait: { total: 5_000, perNode: 250 } } as const satisfies Readonly<Record<string, GateLimits>>;

/** The work of a workspace's start. */
export class Content {
  readonly #options: ContentOptions;
  readonly #initializing = new Gate(contentLimits.initialize);
  readonly #waiting = new Gate(contentLimits.wait);
  /** Whose volume from a snapshot was told of: they may be initialized again. */
  readonly #restored = new WeakSet<WorkspaceRecord>();

  constructor(options: ContentOptions) {
    this.#options = options;
  }

  /** Has the node daemon put the content in place; what goes wrong is the workspace's failure. Rejects only when it is overtaken. */
  async initialize(record: WorkspaceRecord, permit: Permit): Promise<void> {
    try {
      await this.#initialize(record, permit);
    } catch (error) {
      await this.#fail(record, permit, error, "cannot initialize workspace");
    }
  }

  /**
   * Waits until the workspace answers and its content is there, and notes that it was ready. Rejects only when it is overtaken.
   * @param last for that note, which is seen by all, ourselves too, before it is answered: it must not be overtaken by its own effect.
   */
  async waitForReady(record: WorkspaceRecord, permit: Permit, last: Permit): Promise<void> {
    try {
      await this.#answers(record, permit);
      await this.#waiting.run(record.facts.nodeName, permit.signal, () => this.#wait(record, permit));
    } catch (error) {
      await this.#fail(record, permit, error, "cannot wait for workspace to initialize");
      return;
    }
    const changes: AnnotationChanges = { [annotations.neverReady]: null, [annotations.nodeName]: record.facts.nodeName };
    // With the finalizations: who was never ready is not backed up.
    let isNoted = false;
    await insist("note that a workspace is ready", async () => {
      isNoted = await this.#decide(record, changes, last.wish("finalization"));
    }, permit, this.#options);
    // Where the answer was lost it has turned out to be noted.
    if (isNoted || record.facts.everReady) this.#options.note(record, { type: "Normal", reason: "Ready", message: `the workspace is ready on node ${record.facts.nodeName}` });
  }

  /** It may take half an hour, and needs no call meanwhile: questions have a bound of their own. */
  async #answers(record: WorkspaceRecord, permit: Permit): Promise<void> {
    const { probe, urlOf } = this.#options;
    const url = await urlOf(record);
    if (url !== undefined) await probe.ready(url, record.facts.nodeName, permit.signal);
  }

  async #wait(record: WorkspaceRecord, permit: Permit): Promise<void> {
    const { nodes } = this.#options;
    const { id, nodeName } = record.facts;
    for (let inits = 0; ; inits++) {
      try {
        await this.#persist(permit, () => nodes.waitForInit(nodeName, id, permit.signal));
        return;
      } catch (error) {
        if (grpcCodeOf(error) !== grpc.NOT_FOUND || inits === maxInits) throw error;
        // It was missed, or the node daemon has forgotten it.
        await this.#initialize(record, permit);
      }
    }
  }

  #initialize(record: WorkspaceRecord, permit: Permit): Promise<void> {
    return this.#initializing.run(record.facts.nodeName, permit.signal, async () => {
      const { nodes, clock, metrics } = this.#options;
      const { facts } = record;
      const request = await this.#request(record);
      const known = decoded(request);
      const origin = originOf(known);
      const encoded = this.#withQuota(request, facts.workspaceClass);
      let manifest: Uint8Array | undefined;
      const [began, beganAt] = [clock.monotonic(), clock.now()];
      let asked = 0;
      try {
        await this.#persist(permit, async () => {
          manifest ??= await this.#manifest(known, permit);
          asked++;
          return nodes.initWorkspace(facts.nodeName, Buffer.concat([encoded, manifest]), permit.signal);
        });
      } catch (error) {
        if (grpcCodeOf(error) !== grpc.ALREADY_EXISTS) {
          if (origin.backup && !isOvertaken(error, permit)) metrics.restore(facts, false);
          throw error;
        }
        // By whoever led before, who has counted it.
        if (asked === 1) return;
      }
      // A pod that has a place has its volumes.
      if (origin.volumeSnapshot) this.#tellRestored(record, beganAt);
      if (origin.backup) metrics.restore(facts, true);
      metrics.initialized(facts, (clock.monotonic() - began) / 1000);
    });
  }

  #tellRestored(record: WorkspaceRecord, at: number): void {
    const { metrics } = this.#options;
    if (this.#restored.has(record)) return;
    this.#restored.add(record);
    metrics.volumeRestored(record.facts, (at - record.facts.createdAt) / 1000);
  }

  async #request(record: WorkspaceRecord): Promise<Uint8Array> {
    if (!record.init) await this.#options.reread(record);
    if (!record.init) throw new Error("its initializer can not be read");
    return record.init;
  }

  /** The member of the request, for content that comes from a manifest; empty for all other. */
  async #manifest({ fullWorkspaceBackup, metadata, initializer }: wsdaemon.InitWorkspaceRequest, permit: Permit): Promise<Uint8Array> {
    if (!fullWorkspaceBackup) return Buffer.alloc(0);
    const { owner, metaId } = { owner: metadata?.owner ?? "", metaId: metadata?.metaId ?? "" };
    const contentManifest = await this.#options.manifestOf({ owner, metaId, initializer: initializer ?? {}, onClaim: false }, permit.signal);
    return contentManifest ? wsdaemon.InitWorkspaceRequest.encode({ contentManifest }).finish() : Buffer.alloc(0);
  }

  /** Put behind what is encoded already, which may have members that we do not know. */
  #withQuota(request: Uint8Array, className: string): Uint8Array {
    const { classes } = this.#options;
    const own = classes.find(({ id }) => id === className) ?? classes.find(({ id }) => id === "default");
    const quota = parseQuantity(own?.container.limits.storage ?? "");
    if (quota === undefined) return request;
    return Buffer.concat([request, wsdaemon.InitWorkspaceRequest.encode(wsdaemon.InitWorkspaceRequest.fromObject({ storageQuotaBytes: Math.floor(quota) })).finish()]);
  }

  /** Calls a node daemon; again for a while, where it may just not be there yet, or has just gone. For how long in all is bounded by the workspace's own time. */
  async #persist(permit: Permit, call: () => Promise<void>): Promise<void> {
    const { clock } = this.#options;
    let until: number | undefined;
    for (;;) {
      permit.check();
      const began = clock.monotonic();
      try {
        await call();
        return;
      } catch (error) {
        permit.signal.throwIfAborted();
        if (!mayBeAway(error)) throw error;
        const now = clock.monotonic();
        // One that was at work for a while was there: it is away since now.
        if (until === undefined || (error instanceof RemoteError && now - began > retryEveryMs)) until = now + retryForMs;
        if (now + retryEveryMs > until) throw error;
        await sleep(clock, retryEveryMs, permit.signal);
      }
    }
  }

  async #fail(record: WorkspaceRecord, permit: Permit, error: unknown, what: string): Promise<void> {
    if (isOvertaken(error, permit)) throw error;
    const { log, note } = this.#options;
    const text = `${what}: ${messageOf(error)}`;
    log.warn({ id: record.facts.id, pod: record.facts.podName, error: publicText(text, maxLogged) }, "a workspace could not be started");
    note(record, { type: "Warning", reason: "StartFailed", message: text });
    await insist("note that a workspace failed", async () => void (await this.#decide(record, failure(text), permit.wish("housekeeping"))), permit, this.#options);
  }

  /** Writes how the start went, unless it is over by now, in whatever way. Gives whether it was written. */
  async #decide(record: WorkspaceRecord, changes: AnnotationChanges, wish: Wish): Promise<boolean> {
    return (await this.#options.writer.decide(record, () => (isStarting(record.facts) ? changes : undefined), wish)) !== undefined;
  }
}

/** There is something to be done for its start still: it can not be used, and does not end. */
export function isStarting({ phase, everReady, deletedAt }: WorkspaceFacts): boolean {
  return !everReady && phase !== STOPPING && phase !== STOPPED && deletedAt === undefined;
}

/** A daemon that ends cancels its calls. */
function mayBeAway(error: unknown): boolean {
  const code = grpcCodeOf(error);
  return code === grpc.UNAVAILABLE || code === grpc.CANCELLED;
}

/** What makes a workspace a failed one. @param text cut to 2 KiB: what others said can be as long as they like. */
export function failure(text: string): AnnotationChanges {
  return { [annotations.explicitFail]: withinBytes(text, maxWritten.failure), [annotations.failedBeforeStopping]: "true" };
}

/** Where content comes from, as far as metrics tell. */
function originOf({ initializer }: wsdaemon.InitWorkspaceRequest): { readonly backup: boolean; readonly volumeSnapshot: boolean } {
  const { backup, snapshot, prebuild } = initializer ?? {};
  const fromVolume = backup?.fromVolumeSnapshot ?? snapshot?.fromVolumeSnapshot ?? prebuild?.prebuild?.fromVolumeSnapshot;
  return { backup: backup !== null && backup !== undefined, volumeSnapshot: fromVolume === true };
}

/** @throws Error if the request can not be read. */
function decoded(request: Uint8Array): wsdaemon.InitWorkspaceRequest {
  try {
    return wsdaemon.InitWorkspaceRequest.decode(request);
  } catch {
    // The decoder's own words could quote it.
    throw new Error("its initializer is not a contentservice.WorkspaceInitializer");
  }
}
