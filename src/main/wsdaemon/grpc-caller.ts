/** Calls to node daemons over gRPC: connections are pooled by address, with mTLS (spec: wire, lifecycle). */
import { readFile } from "node:fs/promises";
import { Client, credentials, Metadata, status as codes } from "@grpc/grpc-js";
import type { ChannelCredentials, ClientUnaryCall, ServiceError } from "@grpc/grpc-js";
import { LRUCache } from "lru-cache";
import { asIs } from "../../domain/as-is.ts";
import { RemoteError, WsmanError, messageOf } from "../../domain/errors.ts";
import { connectionOptions, observeCalls, type ClientObservers } from "../grpc/client.ts";
import { unreachable, type NodeCaller, type NodeMethod } from "./client.ts";

/** How daemons are reached. */
export interface GrpcCallerOptions {
  /** PEM files; undefined: no TLS. They are read for each new connection. */
  readonly tls: { readonly ca: string; readonly crt: string; readonly key: string } | undefined;
  readonly observers: ClientObservers;
}

/** Connections at most; the one not used for longest is closed. */
const maxConnections = 1_000;
/** Name that the daemons' certificates have. */
export const nodeDaemonName = "wsdaemon";
/** As a plain number, as RemoteErrors have it. */
const unavailable: number = codes.UNAVAILABLE;
const service = "/wsdaemon.WorkspaceContentService";

/** Calls by gRPC. */
export class GrpcCaller implements NodeCaller {
  readonly #options: GrpcCallerOptions;
  readonly #clients = new LRUCache<string, Promise<Client>>({ max: maxConnections, dispose: (client) => void client.then((open) => open.close(), () => {}) });

  constructor(options: GrpcCallerOptions) {
    this.#options = options;
  }

  drop(address: string): void {
    this.#clients.delete(address);
  }

  close(): void {
    this.#clients.clear();
  }

  async call(address: string, method: NodeMethod, request: Uint8Array, signal: AbortSignal): Promise<Buffer> {
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
      ...(secure ? { "grpc.ssl_target_name_override": nodeDaemonName, "grpc.default_authority": nodeDaemonName } : {}),
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
