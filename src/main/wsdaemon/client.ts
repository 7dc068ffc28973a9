/** Calls to node daemons, each found by its node; connections are dropped when the daemon goes (spec: wire, lifecycle). */
import { WsmanError } from "../../domain/errors.ts";
import { wsdaemon, type contentservice } from "../../gen/proto.js";

/** A call of the protocol. */
export type NodeMethod = "InitWorkspace" | "WaitForInit" | "TakeSnapshot" | "DisposeWorkspace" | "BackupWorkspace";

/** Carries calls to node daemons, by "ip:port". */
export interface NodeCaller {
  /** Encoded request in, response out. Rejects with a RemoteError that carries the daemon's own status, or that of a connection that broke; with a WsmanError (UNAVAILABLE) if no daemon has learned of the call. */
  call(address: string, method: NodeMethod, request: Uint8Array, signal: AbortSignal): Promise<Buffer>;
  /** The daemon of this address is gone: a new one is connected to anew. */
  drop(address: string): void;
  /** Closes all connections; what is under way ends. */
  close(): void;
}

/** How daemons are reached. */
export interface NodeDaemonOptions {
  readonly port: number;
  /** The ready daemon's IP on a node; undefined if there is none. */
  readonly ipOn: (node: string) => string | undefined;
  readonly caller: NodeCaller;
}

/** Calls node daemons. Rejects with RemoteErrors, which carry the daemon's own status, or that of a connection that broke; and with WsmanErrors (UNAVAILABLE): no daemon has learned of the call. */
export class NodeDaemonClient {
  readonly #options: NodeDaemonOptions;

  constructor(options: NodeDaemonOptions) {
    this.#options = options;
  }

  /** Whether a daemon is ready on a node. */
  isThere(node: string): boolean {
    return this.#options.ipOn(node) !== undefined;
  }

  /** Has a workspace's content put in place. @param request an encoded wsdaemon.InitWorkspaceRequest. */
  async initWorkspace(node: string, request: Uint8Array, signal: AbortSignal): Promise<void> {
    await this.#call(node, "InitWorkspace", request, signal);
  }

  /** Waits until a workspace's content is in place. */
  async waitForInit(node: string, id: string, signal: AbortSignal): Promise<void> {
    await this.#call(node, "WaitForInit", wsdaemon.WaitForInitRequest.encode({ id }).finish(), signal);
  }

  /** Ends a workspace's content, and saves it before if asked to. Gives the state of its Git repository, if it has one. */
  async disposeWorkspace(node: string, request: wsdaemon.DisposeWorkspaceRequest.$Properties, signal: AbortSignal): Promise<contentservice.GitStatus.$Properties | undefined> {
    const answer = await this.#call(node, "DisposeWorkspace", wsdaemon.DisposeWorkspaceRequest.encode(request).finish(), signal);
    return wsdaemon.DisposeWorkspaceResponse.decode(answer).gitStatus ?? undefined;
  }

  /** Takes a snapshot of a workspace on a node; gives its location. @param atOnce do not wait until it is complete. */
  async takeSnapshot(node: string, id: string, atOnce: boolean, signal: AbortSignal): Promise<string> {
    const request = wsdaemon.TakeSnapshotRequest.encode({ id, returnImmediately: atOnce }).finish();
    return wsdaemon.TakeSnapshotResponse.decode(await this.#call(node, "TakeSnapshot", request, signal)).url;
  }

  /** Backs a workspace up; gives the backup's location. */
  async backup(node: string, id: string, signal: AbortSignal): Promise<string> {
    const request = wsdaemon.BackupWorkspaceRequest.encode({ id }).finish();
    return wsdaemon.BackupWorkspaceResponse.decode(await this.#call(node, "BackupWorkspace", request, signal)).url;
  }

  /** The daemon of this IP is gone: a new one of the same address is connected to anew. */
  drop(ip: string): void {
    this.#options.caller.drop(this.#address(ip));
  }

  /** Closes all connections; what is under way ends. */
  close(): void {
    this.#options.caller.close();
  }

  async #call(node: string, method: NodeMethod, request: Uint8Array, signal: AbortSignal): Promise<Buffer> {
    const ip = this.#options.ipOn(node);
    if (ip === undefined) throw unreachable(node === "" ? "the workspace is on no node" : `there is none that is ready on node ${node}`);
    return this.#options.caller.call(this.#address(ip), method, request, signal);
  }

  #address(ip: string): string {
    return `${ip.includes(":") ? `[${ip}]` : ip}:${this.#options.port}`;
  }
}

/** No daemon has learned of a call. */
export function unreachable(why: string): WsmanError {
  return new WsmanError("UNAVAILABLE", `cannot connect to workspace daemon: ${why}`);
}
