/** A node daemon of the built-in cluster on a real port: it speaks the real protocol (spec: wire), with mutual TLS if it is given certificates. */
import { logVerbosity, Server, ServerCredentials, setLogVerbosity } from "@grpc/grpc-js";
import type { handleUnaryCall, MethodDefinition, ServiceDefinition, UntypedServiceImplementation } from "@grpc/grpc-js";
import { asIs } from "../../domain/as-is.ts";
import { nodeDaemonMethods } from "./contents.ts";
import type { NodeDaemonMethod } from "./contents.ts";
import { Refusal } from "./refusal.ts";
import { NodeDaemonService } from "./service.ts";
import type { Respond, ServiceOptions } from "./service.ts";

/** PEM: the authorities of clients, and the daemon's own certificate and key. */
export interface NodeDaemonTls {
  readonly ca: string;
  readonly crt: string;
  readonly key: string;
}

/** Where a node daemon listens. */
export interface NodeDaemonOptions extends ServiceOptions {
  /** Default 127.0.0.1. */
  readonly host?: string | undefined;
  /** Default: a free one. */
  readonly port?: number | undefined;
  /** Clients must have a certificate of the same authority then. Default: no TLS. */
  readonly tls?: NodeDaemonTls | undefined;
}

/** A node daemon that listens. */
export interface EmbeddedNodeDaemon {
  readonly service: NodeDaemonService;
  readonly host: string;
  readonly port: number;
  /** Ends it, with all connections. */
  close(): void;
}

/** Starts a node daemon. Rejects if it can not listen, or the TLS files are none. */
export async function startNodeDaemon({ host = "127.0.0.1", port = 0, tls, ...options }: NodeDaemonOptions = {}): Promise<EmbeddedNodeDaemon> {
  // Errors are told by who meets them: a port that is taken is no news where another one is tried.
  setLogVerbosity(logVerbosity.NONE);
  const service = new NodeDaemonService(options);
  const server = new Server();
  server.addService(definition, implementation(service));
  const secure = tls ? ServerCredentials.createSsl(Buffer.from(tls.ca), [{ cert_chain: Buffer.from(tls.crt), private_key: Buffer.from(tls.key) }], true) : ServerCredentials.createInsecure();
  const bound = await new Promise<number>((resolve, reject) => server.bindAsync(`${host}:${port}`, secure, (error, used) => (error ? reject(error) : resolve(used))));
  return {
    service, host, port: bound,
    close: () => {
      service.setServing(false);
      server.forceShutdown();
    },
  };
}

const definition: ServiceDefinition = Object.fromEntries(nodeDaemonMethods.map((method) => [method, definitionOf(method)]));

function definitionOf(method: NodeDaemonMethod): MethodDefinition<Buffer, Buffer> {
  return {
    path: `/wsdaemon.WorkspaceContentService/${method}`, requestStream: false, responseStream: false,
    requestSerialize: asIs, requestDeserialize: asIs, responseSerialize: asIs, responseDeserialize: asIs,
  };
}

function implementation(service: NodeDaemonService): UntypedServiceImplementation {
  const handler = (method: NodeDaemonMethod): handleUnaryCall<Buffer, Buffer> => (call, callback) => {
    let answered = false;
    const respond: Respond = (reply) => {
      if (answered || call.cancelled) return;
      answered = true;
      if (reply instanceof Refusal) callback({ code: reply.code, details: reply.message });
      else callback(null, Buffer.from(reply));
    };
    const gone = new AbortController();
    call.once("cancelled", () => gone.abort());
    void service.answer(method, call.request, respond, gone.signal);
  };
  return Object.fromEntries(nodeDaemonMethods.map((method) => [method, handler(method)]));
}
