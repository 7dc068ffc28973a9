/** The contents of the workspaces on one node, in memory: what each call of the protocol does to them (spec: wire; lifecycle, "Content initialization" and "Finalization"). */
import { status } from "@grpc/grpc-js";
import { wsdaemon, type contentservice } from "../../gen/proto.js";
import { gitStatusOf, snapshotsOf } from "./initializers.ts";
import { Refusal } from "./refusal.ts";
import type { ObjectStorage } from "./storage.ts";

/** The calls of the protocol. */
export const nodeDaemonMethods = ["InitWorkspace", "WaitForInit", "TakeSnapshot", "DisposeWorkspace", "BackupWorkspace"] as const;
/** One of {@link nodeDaemonMethods}. */
export type NodeDaemonMethod = (typeof nodeDaemonMethods)[number];

/** Whose content it is, and where it comes from. */
export interface ContentOrigin {
  readonly id: string;
  readonly owner: string;
  readonly metaId: string;
  readonly initializer?: contentservice.WorkspaceInitializer.$Properties | undefined;
  readonly remoteStorageDisabled?: boolean;
}

/** A workspace's content. */
export interface NodeContent extends ContentOrigin {
  readonly state: "initializing" | "ready" | "disposing";
  /** How many were made. */
  readonly snapshots: number;
  readonly backups: number;
}

interface Held extends ContentOrigin {
  initialized: boolean;
  snapshots: number;
  backups: number;
  /** True: its content is there; false: it is gone. Never rejects, as the other one. */
  readonly initialization: PromiseWithResolvers<boolean>;
  /** While it is disposed of. True: that was done. */
  disposal: PromiseWithResolvers<boolean> | undefined;
}

/** A call that has begun. Exactly one of its two ends is called. */
export interface Work {
  /** The answer, if the client need not wait for the end. */
  readonly early?: Uint8Array;
  /** Does it, and gives the answer. Throws or rejects with a {@link Refusal}. */
  finish(): Uint8Array | Promise<Uint8Array>;
  /** Leaves everything as it was before. */
  giveUp(): void;
}

/** Most workspaces on one node; more are refused with RESOURCE_EXHAUSTED. */
const maxWorkspaces = 10_000;

/** The contents. */
export class Contents {
  readonly #storage: ObjectStorage;
  readonly #byId = new Map<string, Held>();

  constructor(storage: ObjectStorage) {
    this.#storage = storage;
  }

  /** All of them, in the order in which they came. */
  list(): readonly NodeContent[] {
    return [...this.#byId.values()].map(shown);
  }

  get(id: string): NodeContent | undefined {
    const held = this.#byId.get(id);
    return held && shown(held);
  }

  /** Puts content in place without a call, ready. @throws Refusal as InitWorkspace does. */
  put(origin: ContentOrigin): void {
    initialized(this.#add(origin));
  }

  /** Takes it away without a call, with a backup if asked for. Nothing happens if there is none. A disposal that is under way ends without success. */
  remove(id: string, backup: boolean): void {
    const held = this.#byId.get(id);
    if (!held) return;
    this.#dispose(held, backup, false);
    held.disposal?.resolve(false);
  }

  /** Begins a call. @throws Refusal if it is refused at once; Error if the bytes are no such request. */
  begin(method: NodeDaemonMethod, request: Uint8Array): Work {
    if (method === "InitWorkspace") return this.#init(wsdaemon.InitWorkspaceRequest.decode(request));
    const held = this.#need(wsdaemon.WaitForInitRequest.decode(request).id ?? "");
    switch (method) {
      case "WaitForInit": return waitFor(held);
      case "TakeSnapshot": return this.#snapshot(held, wsdaemon.TakeSnapshotRequest.decode(request).returnImmediately ?? false);
      case "BackupWorkspace": return this.#backup(held);
      case "DisposeWorkspace": return this.#disposal(held, wsdaemon.DisposeWorkspaceRequest.decode(request));
      default: return method satisfies never;
    }
  }

  #need(id: string): Held {
    if (id === "") throw new Refusal(status.INVALID_ARGUMENT, "id is required");
    const held = this.#byId.get(id);
    if (!held) throw missing(id);
    return held;
  }

  #add(origin: ContentOrigin): Held {
    if (this.#byId.has(origin.id)) throw new Refusal(status.ALREADY_EXISTS, "workspace exists already");
    if (this.#byId.size >= maxWorkspaces) throw new Refusal(status.RESOURCE_EXHAUSTED, `there are ${maxWorkspaces} workspaces on this node already`);
    const held: Held = { ...origin, initialized: false, snapshots: 0, backups: 0, initialization: Promise.withResolvers(), disposal: undefined };
    this.#byId.set(origin.id, held);
    return held;
  }

  #init(request: wsdaemon.InitWorkspaceRequest): Work {
    const held = this.#add(originOf(request));
    const finish = (): Uint8Array => {
      if (!this.#has(held)) throw disposedOf(held);
      const lacking = snapshotsOf(held.initializer).find((url) => this.#storage.lacks(url));
      if (lacking === undefined) initialized(held);
      else {
        this.#forget(held);
        throw new Refusal(status.FAILED_PRECONDITION, `snapshot ${lacking} does not exist`);
      }
      return wsdaemon.InitWorkspaceResponse.encode({}).finish();
    };
    return { finish, giveUp: () => this.#forget(held) };
  }

  #snapshot(held: Held, atOnce: boolean): Work {
    mustBeStorable(held);
    const url = this.#storage.locationFor("snapshot", held);
    const answer = wsdaemon.TakeSnapshotResponse.encode({ url }).finish();
    const finish = (): Uint8Array => {
      if (!this.#has(held)) throw disposedOf(held);
      held.snapshots++;
      this.#storage.put(url);
      return answer;
    };
    return { ...(atOnce && { early: answer }), finish, giveUp: () => {} };
  }

  #backup(held: Held): Work {
    mustBeStorable(held);
    const finish = (): Uint8Array => {
      if (!this.#has(held)) throw disposedOf(held);
      return wsdaemon.BackupWorkspaceResponse.encode({ url: this.#storeBackup(held) }).finish();
    };
    return { finish, giveUp: () => {} };
  }

  /** A second disposal waits for the first, and gets the same answer. */
  #disposal(held: Held, { backup, backupLogs }: wsdaemon.DisposeWorkspaceRequest): Work {
    const answer = (): Uint8Array => wsdaemon.DisposeWorkspaceResponse.encode({ gitStatus: gitStatusOf(held.initializer, held.id) ?? null }).finish();
    if (held.disposal) return joining(held.disposal.promise, answer, () => new Refusal(status.UNAVAILABLE, "another attempt to dispose of the workspace ended without success"));
    if (backup) mustBeStorable(held);
    const disposal = Promise.withResolvers<boolean>();
    held.disposal = disposal;
    return {
      finish: () => {
        if (!this.#has(held)) throw disposedOf(held);
        this.#dispose(held, backup ?? false, backupLogs ?? false);
        disposal.resolve(true);
        return answer();
      },
      giveUp: () => {
        held.disposal = undefined;
        disposal.resolve(false);
      },
    };
  }

  #dispose(held: Held, backup: boolean, logs: boolean): void {
    if (backup) this.#storeBackup(held);
    if (logs) this.#storage.put(this.#storage.locationFor("logs", held));
    this.#forget(held);
  }

  #storeBackup(held: Held): string {
    const url = this.#storage.locationFor("backup", held);
    held.backups++;
    this.#storage.put(url);
    return url;
  }

  #has(held: Held): boolean {
    return this.#byId.get(held.id) === held;
  }

  #forget(held: Held): void {
    if (this.#has(held)) this.#byId.delete(held.id);
    held.initialization.resolve(false);
  }
}

function shown({ initialized: ready, initialization: _initialization, disposal, ...rest }: Held): NodeContent {
  return { ...rest, state: disposal ? "disposing" : ready ? "ready" : "initializing" };
}

function initialized(held: Held): void {
  held.initialized = true;
  held.initialization.resolve(true);
}

function mustBeStorable(held: Held): void {
  if (!held.initialized) throw new Refusal(status.FAILED_PRECONDITION, "workspace is not ready: its content was not initialized yet");
  if (held.disposal) throw new Refusal(status.FAILED_PRECONDITION, "workspace is being disposed of");
  if (held.remoteStorageDisabled === true) throw new Refusal(status.FAILED_PRECONDITION, "workspace has no remote storage");
}

function originOf({ id, metadata, initializer, remoteStorageDisabled }: wsdaemon.InitWorkspaceRequest): ContentOrigin {
  const [owner, metaId] = [metadata?.owner ?? "", metadata?.metaId ?? ""];
  const lacking = Object.entries({ id: id ?? "", "metadata.owner": owner, "metadata.meta_id": metaId }).find(([, value]) => value === "");
  if (lacking) throw new Refusal(status.INVALID_ARGUMENT, `${lacking[0]} is required`);
  return { id: id ?? "", owner, metaId, initializer: initializer ?? undefined, remoteStorageDisabled: remoteStorageDisabled ?? false };
}

function waitFor(held: Held): Work {
  const answer = (): Uint8Array => wsdaemon.WaitForInitResponse.encode({}).finish();
  return held.initialized ? { finish: answer, giveUp: () => {} } : joining(held.initialization.promise, answer, () => missing(held.id));
}

/** Ends with what another call has begun. */
function joining(other: Promise<boolean>, answer: () => Uint8Array, refusal: () => Refusal): Work {
  const finish = async (): Promise<Uint8Array> => {
    if (!(await other)) throw refusal();
    return answer();
  };
  return { finish, giveUp: () => {} };
}

function missing(id: string): Refusal {
  return new Refusal(status.NOT_FOUND, `workspace ${id} does not exist`);
}

function disposedOf({ id }: Held): Refusal {
  return new Refusal(status.ABORTED, `workspace ${id} was disposed of meanwhile`);
}
