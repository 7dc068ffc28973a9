/** A node daemon of the built-in cluster: it speaks the real protocol on a real port, and keeps contents in memory. Faults and delays on demand. */
import { Server, ServerCredentials, status } from "@grpc/grpc-js";
import type { handleUnaryCall, MethodDefinition, sendUnaryData, ServiceDefinition, UntypedServiceImplementation } from "@grpc/grpc-js";
import { systemClock, type Clock } from "../../domain/clock.ts";
import { contentservice, wsdaemon } from "../../gen/proto.js";

/** The calls of the protocol. */
export const nodeDaemonMethods = ["InitWorkspace", "WaitForInit", "TakeSnapshot", "DisposeWorkspace", "BackupWorkspace"] as const;
/** One of {@link nodeDaemonMethods}. */
export type NodeDaemonMethod = (typeof nodeDaemonMethods)[number];

/** What a node daemon is made of. */
export interface NodeDaemonOptions {
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Default: a free one. */
  readonly port?: number;
  /** PEM; clients must have a certificate of the same authority. Default: no TLS. */
  readonly tls?: { readonly ca: string; readonly crt: string; readonly key: string };
  readonly clock?: Clock;
}

/** How calls of a method go wrong, or late. */
export interface NodeDaemonFault {
  /** The status instead of an answer. */
  readonly status?: { readonly code: number; readonly details: string };
  readonly delayMs?: number;
}

/** A workspace's content. */
export interface NodeContent {
  readonly owner: string;
  readonly metaId: string;
  readonly initializer: contentservice.WorkspaceInitializer.$Properties | undefined;
  snapshots: number;
  backups: number;
}

/** A call that came. */
export interface NodeDaemonCall {
  readonly method: NodeDaemonMethod;
  readonly id: string;
}

/** Calls that are remembered; the oldest is forgotten. */
const maxCalls = 10_000;

type Reply = { readonly response: Uint8Array } | { readonly code: status; readonly details: string };

/** A node daemon that runs. */
export class EmbeddedNodeDaemon {
  readonly port: number;
  /** By workspace ID. */
  readonly contents = new Map<string, NodeContent>();
  readonly calls: NodeDaemonCall[] = [];
  readonly #server: Server;
  readonly #clock: Clock;
  readonly #faults = new Map<NodeDaemonMethod, NodeDaemonFault>();

  constructor(server: Server, port: number, clock: Clock) {
    this.#server = server;
    this.port = port;
    this.#clock = clock;
  }

  /** From now on calls of a method go like this; undefined: well again. */
  setFault(method: NodeDaemonMethod, fault: NodeDaemonFault | undefined): void {
    if (fault) this.#faults.set(method, fault);
    else this.#faults.delete(method);
  }

  /** Ends it, with all connections. */
  close(): Promise<void> {
    this.#server.forceShutdown();
    return Promise.resolve();
  }

  /** Answers a call. */
  answer(method: NodeDaemonMethod, request: Buffer, call: { on(event: "cancelled", listener: () => void): unknown }, callback: sendUnaryData<Buffer>): void {
    const id = wsdaemon.WaitForInitRequest.decode(request).id;
    this.calls.push({ method, id });
    if (this.calls.length > maxCalls) this.calls.shift();
    const fault = this.#faults.get(method);
    const reply = (): void => {
      const result = fault?.status ?? this.#work(method, id, request);
      if ("response" in result) callback(null, Buffer.from(result.response));
      else callback(result);
    };
    if (fault?.delayMs === undefined) return reply();
    const cancel = this.#clock.timer(fault.delayMs, reply);
    call.on("cancelled", cancel);
  }

  #work(method: NodeDaemonMethod, id: string, request: Buffer): Reply {
    if (method === "InitWorkspace") return this.#init(id, request);
    const content = this.contents.get(id);
    if (!content) return { code: status.NOT_FOUND, details: `workspace ${id} does not exist` };
    switch (method) {
      case "WaitForInit":
        return { response: wsdaemon.WaitForInitResponse.encode({}).finish() };
      case "TakeSnapshot":
        return { response: wsdaemon.TakeSnapshotResponse.encode({ url: `${place(content)}/snapshot-${++content.snapshots}.tar@embedded` }).finish() };
      case "BackupWorkspace":
        return { response: wsdaemon.BackupWorkspaceResponse.encode({ url: `${place(content)}/backup-${++content.backups}.tar@embedded` }).finish() };
      case "DisposeWorkspace":
        return this.#dispose(id, content, request);
      default:
        return method satisfies never;
    }
  }

  #init(id: string, request: Buffer): Reply {
    if (this.contents.has(id)) return { code: status.ALREADY_EXISTS, details: "workspace exists already" };
    const { metadata, initializer } = wsdaemon.InitWorkspaceRequest.decode(request);
    this.contents.set(id, { owner: metadata?.owner ?? "", metaId: metadata?.metaId ?? "", initializer: initializer ?? undefined, snapshots: 0, backups: 0 });
    return { response: wsdaemon.InitWorkspaceResponse.encode({}).finish() };
  }

  #dispose(id: string, content: NodeContent, request: Buffer): Reply {
    if (wsdaemon.DisposeWorkspaceRequest.decode(request).backup) content.backups++;
    this.contents.delete(id);
    return { response: wsdaemon.DisposeWorkspaceResponse.encode({ gitStatus: { branch: "main", latestCommit: "0".repeat(40) } }).finish() };
  }
}

/** Where a workspace's backups lie. */
function place({ owner, metaId }: NodeContent): string {
  return `workspaces/${owner}/${metaId}`;
}

/** Starts a node daemon. Rejects if it can not listen. */
export async function startNodeDaemon(options: NodeDaemonOptions = {}): Promise<EmbeddedNodeDaemon> {
  const { host = "127.0.0.1", port = 0, tls, clock = systemClock } = options;
  const server = new Server();
  const handler = (method: NodeDaemonMethod): handleUnaryCall<Buffer, Buffer> => (call, callback) => daemon.answer(method, call.request, call, callback);
  const definition: Record<string, MethodDefinition<Buffer, Buffer>> = {};
  const implementation: UntypedServiceImplementation = {};
  for (const method of nodeDaemonMethods) {
    definition[method] = { path: `/wsdaemon.WorkspaceContentService/${method}`, requestStream: false, responseStream: false, requestSerialize: asIs, requestDeserialize: asIs, responseSerialize: asIs, responseDeserialize: asIs };
    implementation[method] = handler(method);
  }
  const service: ServiceDefinition = definition;
  server.addService(service, implementation);
  const secure = tls ? ServerCredentials.createSsl(Buffer.from(tls.ca), [{ cert_chain: Buffer.from(tls.crt), private_key: Buffer.from(tls.key) }], true) : ServerCredentials.createInsecure();
  const bound = await new Promise<number>((resolve, reject) => server.bindAsync(`${host}:${port}`, secure, (error, used) => (error ? reject(error) : resolve(used))));
  const daemon = new EmbeddedNodeDaemon(server, bound, clock);
  return daemon;
}

function asIs(bytes: Buffer): Buffer {
  return bytes;
}
