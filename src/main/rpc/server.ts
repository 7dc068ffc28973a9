/** The gRPC server: binds the services to an address, with limits, TLS and an orderly end. */
import { Server, ServerCredentials, logVerbosity, setLogVerbosity } from "@grpc/grpc-js";
import type { ServerOptions } from "@grpc/grpc-js";
import { sleep } from "../../domain/clock.ts";
import type { Clock } from "../../domain/clock.ts";
import { messageOf } from "../../domain/errors.ts";
import { parseListenAddress } from "../../domain/listen-address.ts";
import type { OpenStreams } from "./handlers/subscribe.ts";
import { answerAtOnce } from "./at-once.ts";
import { addHealth } from "./health.ts";
import type { Health } from "./health.ts";
import { passOn } from "./image-builder.ts";
import type { RpcDependencies } from "./ports.ts";
import { methodMetrics, recordCalls } from "./recorded-call.ts";
import { addReflection } from "./reflection.ts";
import { maxMessageBytes } from "../grpc/limits.ts";
import { answeredAtOnce, workspaceManager } from "./service.ts";
import { specProvider } from "./spec-provider.ts";
import type { StreamAdapter } from "./stream-adapter.ts";
import { PendingCalls } from "./pending-calls.ts";
import { watchTls } from "./tls.ts";
import type { TlsFiles } from "./tls.ts";

/** Configuration of the server (rpcServer). */
export interface RpcServerOptions {
  /** Like ":8080"; port 0 lets the system choose. */
  readonly addr: string;
  /** Undefined: plaintext. */
  readonly tls?: TlsFiles | undefined;
}

/** A server that listens. */
export interface RpcServer {
  readonly port: number;
  /** Subscribe calls that are open. */
  readonly openStreams: number;
  /** What the health service tells; false until called. */
  setServing(serving: boolean): void;
  /**
   * Tells that it serves no more, takes no more calls, ends the streams that the hub has not ended, and waits at most `drainMs`
   * for what is open; the rest is answered UNAVAILABLE, or cut off. Idempotent; resolves within about a second of drainMs at the latest.
   */
  close(drainMs: number): Promise<void>;
}

/** Streams that one connection may have open at once: a proxy may bundle every subscriber of a cluster into one. */
const maxConcurrentStreams = 10_000;
/** Calls that are not done are told so, so long before their connections are cut: time to take the answer. */
const tellMs = 250;
/** How long cutting connections may take beyond the drain time. */
const forceMs = 1000;

/**
 * grpc-js accepts keepalive pings at any rate, also without calls; connections have no greatest age.
 * Channelz is off: it costs memory per connection and time per message, and nothing here reads it.
 */
const limits: ServerOptions = {
  "grpc.max_receive_message_length": maxMessageBytes,
  "grpc.max_send_message_length": maxMessageBytes,
  "grpc.max_concurrent_streams": maxConcurrentStreams,
  "grpc.max_connection_idle_ms": 30 * 60_000,
  "grpc.keepalive_time_ms": 60_000,
  "grpc.keepalive_timeout_ms": 20_000,
  "grpc.enable_channelz": 0,
};

/**
 * Starts the server; its health is NOT_SERVING until told.
 * @throws Error if the address is none or can not be bound, or the TLS files can not be used.
 */
export async function startRpcServer(options: RpcServerOptions, dependencies: RpcDependencies): Promise<RpcServer> {
  const { clock, log, metrics } = dependencies;
  // grpc-js would print headers that it can not read to stderr, values and all: those may be secrets.
  setLogVerbosity(logVerbosity.NONE);
  const hosts = bindHosts(options.addr);
  const tls = options.tls && (await watchTls(options.tls, { clock, log }));
  const server = new Server({ ...limits, interceptors: [recordCalls(metrics, clock, dependencies.tracing)] });
  const open = { streams: new Set<StreamAdapter>(), pending: new PendingCalls(), closing: false };
  const { health, close } = addServices(server, dependencies, open);
  const closeAll = (): void => {
    close();
    tls?.close();
  };
  try {
    const bound = await bindFirst(server, hosts, tls?.credentials ?? ServerCredentials.createInsecure());
    const methods = answeredAtOnce(dependencies);
    if (methods.length > 0 && !answerAtOnce(server, methods, clock)) log.warn({}, "this version of grpc-js does not let calls be answered beneath it: they cost more");
    return new Running(server, bound, open, health, closeAll, clock);
  } catch (error) {
    closeAll();
    server.forceShutdown();
    throw new Error(`can not listen on ${options.addr}: ${messageOf(error)}`, { cause: error });
  }
}

function addServices(server: Server, dependencies: RpcDependencies, open: Open): { readonly health: Health; readonly close: () => void } {
  const { imageBuilder, tracing, clock } = dependencies;
  const passThrough = imageBuilder && passOn({ ...dependencies, target: imageBuilder.target, observers: { metrics: imageBuilder.metrics, tracing, clock } });
  for (const { definition, implementation } of [workspaceManager(dependencies, open, open.pending), specProvider(dependencies, open.pending), ...(passThrough ? [passThrough] : [])]) {
    server.addService(definition, implementation);
    // So that a method's series are there, at zero, before its first call.
    for (const method of Object.values(definition)) methodMetrics(dependencies.metrics, method);
  }
  addReflection(server, dependencies.log);
  return { health: addHealth(server), close: () => passThrough?.close() };
}

/** Addresses to try, in order, as grpc-js wants them. All interfaces: IPv6 and IPv4 at once, or IPv4 where there is no IPv6. */
function bindHosts(addr: string): readonly string[] {
  const address = parseListenAddress(addr);
  if (!address) throw new Error(`${JSON.stringify(addr)} is not an address to listen on: give host:port or :port`);
  const { host, port } = address;
  if (host === undefined) return [`[::]:${port}`, `0.0.0.0:${port}`];
  return [host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`];
}

interface Bound {
  /** As given to grpc-js, with the port that was bound. */
  readonly target: string;
  readonly port: number;
}

async function bindFirst(server: Server, targets: readonly string[], credentials: ServerCredentials): Promise<Bound> {
  const [target = "", ...rest] = targets;
  try {
    const port = await bind(server, target, credentials);
    return { target: target.replace(/:\d+$/, `:${port}`), port };
  } catch (error) {
    if (rest.length === 0 || !/EAFNOSUPPORT|EADDRNOTAVAIL/.test(messageOf(error))) throw error;
    return bindFirst(server, rest, credentials);
  }
}

function bind(server: Server, target: string, credentials: ServerCredentials): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync(target, credentials, (error, port) => (error ? reject(error) : resolve(port)));
  });
}

/** What is under way. */
interface Open extends OpenStreams {
  readonly pending: PendingCalls;
  closing: boolean;
}

class Running implements RpcServer {
  readonly port: number;
  readonly #server: Server;
  readonly #target: string;
  readonly #open: Open;
  readonly #health: Health;
  readonly #closeParts: () => void;
  readonly #clock: Clock;
  #closed: Promise<void> | undefined;

  constructor(server: Server, bound: Bound, open: Open, health: Health, closeParts: () => void, clock: Clock) {
    this.port = bound.port;
    this.#server = server;
    this.#target = bound.target;
    this.#open = open;
    this.#health = health;
    this.#closeParts = closeParts;
    this.#clock = clock;
  }

  get openStreams(): number {
    return this.#open.streams.size;
  }

  setServing(serving: boolean): void {
    if (!this.#open.closing) this.#health.set(serving);
  }

  close(drainMs: number): Promise<void> {
    this.#closed ??= this.#close(drainMs);
    return this.#closed;
  }

  async #close(drainMs: number): Promise<void> {
    this.#open.closing = true;
    this.#health.close();
    for (const stream of this.#open.streams) stream.end("shutdown");
    // drain() before tryShutdown(): it alone cuts off connections that are still open after the time (forceShutdown() needs channelz for that).
    this.#server.drain(this.#target, drainMs);
    const cancel = this.#clock.timer(Math.max(0, drainMs - tellMs), () => this.#open.pending.giveUp());
    const stopWaiting = new AbortController();
    const drained = new Promise<void>((resolve) => this.#server.tryShutdown(() => resolve())).then(() => stopWaiting.abort());
    await Promise.race([drained, sleep(this.#clock, drainMs + forceMs, stopWaiting.signal)]);
    cancel();
    this.#server.forceShutdown();
    this.#closeParts();
  }
}
