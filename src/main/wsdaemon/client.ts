/** Calls to node daemons: connections are pooled by address, with mTLS, and dropped when the daemon goes (spec: wire, lifecycle). */
import { readFile } from "node:fs/promises";
import { Client, credentials, Metadata, status as codes } from "@grpc/grpc-js";
import type { ChannelCredentials, ClientUnaryCall, ServiceError } from "@grpc/grpc-js";
import { LRUCache } from "lru-cache";
import { asIs } from "../../domain/as-is.ts";
import { RemoteError, WsmanError, messageOf } from "../../domain/errors.ts";
import { wsdaemon, type contentservice } from "../../gen/proto.js";
import { connectionOptions, observeCalls, type ClientObservers } from "../grpc/client.ts";

/** How daemons are reached. */
export interface NodeDaemonOptions {
  readonly port: number;
  /** PEM files; undefined: no TLS. They are read for each new connection. */
  readonly tls: { readonly ca: string; readonly crt: string; readonly key: string } | undefined;
  /** The ready daemon's IP on a node; undefined if there is none. */
  readonly ipOn: (node: string) => string | undefined;
  readonly observers: ClientObservers;
}

/** Connections at most; the one not used for longest is closed. */
const maxConnections = 1_000;
/** Name that the daemons' certificates have. */
const serverName = "wsdaemon";
/** As a plain number, as RemoteErrors have it. */
const unavailable: number = codes.UNAVAILABLE;
const service = "/wsdaemon.WorkspaceContentService";

type Rpc = "InitWorkspace" | "WaitForInit" | "TakeSnapshot" | "DisposeWorkspace" | "BackupWorkspace";

/** Calls node daemons. Rejects with RemoteErrors, which carry the daemon's own status, or that of a connection that broke; and with WsmanErrors (UNAVAILABLE): no daemon has learned of the call. */
export class NodeDaemonClient {
  readonly #options: NodeDaemonOptions;
  readonly #clients = new LRUCache<string, Promise<Client>>({ max: maxConnections, dispose: (client) => void client.then((open) => open.close(), () => {}) });

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
    this.#clients.delete(this.#address(ip));
  }

  /** Closes all connections; what is under way ends. */
  close(): void {
    this.#clients.clear();
  }

  async #call(node: string, method: Rpc, request: Uint8Array, signal: AbortSignal): Promise<Buffer> {
    const ip = this.#options.ipOn(node);
    if (ip === undefined) throw unreachable(node === "" ? "the workspace is on no node" : `there is none that is ready on node ${node}`);
    const address = this.#address(ip);
    const used = this.#clientFor(address);
    const client = await used;
    const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
    const done = (error: ServiceError | null, response?: Buffer): void => {
      if (error) reject(failed(error, wasSent(call, client)));
      else resolve(response ?? Buffer.alloc(0));
    };
    // The client's own deadline and cancellation come with the signal.
    const call = client.makeUnaryRequest(`${service}/${method}`, asIs, asIs, Buffer.from(request), new Metadata(), {}, done);
    const cancel = (): void => call.cancel();
    signal.addEventListener("abort", cancel, { once: true });
    if (signal.aborted) cancel();
    try {
      return await promise;
    } catch (error) {
      // The next call connects anew, with the files as they are then.
      if (isUnavailable(error)) this.#forget(address, used);
      throw error;
    } finally {
      signal.removeEventListener("abort", cancel);
    }
  }

  #address(ip: string): string {
    return `${ip.includes(":") ? `[${ip}]` : ip}:${this.#options.port}`;
  }

  #clientFor(address: string): Promise<Client> {
    const known = this.#clients.get(address);
    if (known) return known;
    const client = this.#connect(address);
    this.#clients.set(address, client);
    // Files that can not be read now may be there for the next call.
    client.catch(() => this.#forget(address, client));
    return client;
  }

  /** Only this one: others may have connected anew meanwhile, and use that connection. */
  #forget(address: string, client: Promise<Client>): void {
    if (this.#clients.peek(address) === client) this.#clients.delete(address);
  }

  async #connect(address: string): Promise<Client> {
    const secure = this.#options.tls !== undefined;
    return new Client(address, await this.#credentials(), {
      ...connectionOptions,
      ...(secure ? { "grpc.ssl_target_name_override": serverName, "grpc.default_authority": serverName } : {}),
      interceptors: [observeCalls(this.#options.observers)],
    });
  }

  async #credentials(): Promise<ChannelCredentials> {
    const { tls } = this.#options;
    if (!tls) return credentials.createInsecure();
    try {
      const [ca, key, crt] = await Promise.all([readFile(tls.ca), readFile(tls.key), readFile(tls.crt)]);
      return credentials.createSsl(ca, key, crt);
    } catch (error) {
      throw unreachable(`its TLS files can not be used: ${messageOf(error)}`);
    }
  }
}

/** Whether a call was given to a connection: until then its peer is but the address that is to be connected to. */
function wasSent(call: ClientUnaryCall, client: Client): boolean {
  return call.getPeer() !== client.getChannel().getTarget();
}

function failed({ code, details }: ServiceError, sent: boolean): Error {
  if (code !== codes.UNAVAILABLE) return new RemoteError(code, details);
  const error = unreachable(details);
  return sent ? new RemoteError(code, error.message) : error;
}

function isUnavailable(error: unknown): boolean {
  return error instanceof RemoteError ? error.code === unavailable : error instanceof WsmanError;
}

function unreachable(why: string): WsmanError {
  return new WsmanError("UNAVAILABLE", `cannot connect to workspace daemon: ${why}`);
}
