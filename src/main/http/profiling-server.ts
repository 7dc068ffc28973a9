/** Serves profiles on demand, on an address of its own (pprof.addr): to this machine only, or to whoever has a client certificate. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { isIP, type Socket } from "node:net";
import { pipeline } from "node:stream/promises";
import type { Clock } from "../../domain/clock.ts";
import { messageOf } from "../../domain/errors.ts";
import type { Log } from "../../domain/log.ts";
import type { HttpServer } from "../../metrics/http.ts";
import { close, commonHeaders, htmlType, listen, refusal, send, urlOf, type Answer, type Server } from "../../metrics/serving.ts";
import { mayServeProfiles } from "../config/profiling.ts";
import { clientRules, watchTlsContext, type TlsFiles, type WatchedContext } from "../rpc/tls.ts";
import type { ProfiledThread } from "./profiled-threads.ts";
import { ProfileRefusal, Profiles, type ProfileKind } from "./profiles.ts";
import { indexPage, indexPolicy } from "./profiling-index.ts";
import { askedFor, type Asked } from "./profiling-request.ts";

/** Configuration (pprof.addr, wsmand.profiling). */
export interface ProfilingOptions {
  /** Like "127.0.0.1:6060"; port 0 lets the system choose. */
  readonly addr: string;
  /** Undefined: plaintext, which only this machine may reach. */
  readonly tls: TlsFiles | undefined;
  /** Whether full heap snapshots are given, which hold all secrets in memory. */
  readonly heapSnapshots: boolean;
}

/** What it works with. */
export interface ProfilingParts {
  readonly threads: () => readonly ProfiledThread[];
  readonly clock: Clock;
  readonly log: Log;
}

/** Connections at a time; more are closed at once. */
const maxConnections = 16;
/** A connection on which nothing moves for so long, but for one that waits for its profile, is closed, milliseconds. */
const stalledMs = 30_000;

/** File names' endings, as DevTools knows them. */
const endings: Readonly<Record<ProfileKind | "snapshot", string>> = { cpu: "cpuprofile", heap: "heapprofile", allocs: "heapprofile", snapshot: "heapsnapshot" };

/**
 * Starts the server.
 * @throws Error if others could reach the address and there is no TLS, the address is none or can not be bound, or the TLS files can not be used.
 */
export async function startProfilingServer(options: ProfilingOptions, parts: ProfilingParts): Promise<HttpServer> {
  const { addr, tls } = options;
  if (!mayServeProfiles(addr, tls)) throw new Error(`pprof.addr: others can reach ${addr}: give a loopback address such as 127.0.0.1:6060, or wsmand.profiling.tls`);
  const handler = new Handler(options, parts);
  const handle = (request: IncomingMessage, response: ServerResponse): void => void handler.handle(request, response);
  const limits = { maxHeaderSize: 8192, headersTimeout: 5000, requestTimeout: 10_000, connectionsCheckingInterval: 2000 };
  let watched: WatchedContext | undefined;
  let server: Server;
  if (tls) {
    watched = await watchTlsContext(tls, parts, (context) => secure.setSecureContext(context));
    const secure = createTlsServer({ ...limits, ...clientRules, ...watched.context, handshakeTimeout: 5000 }, handle);
    server = secure;
  } else {
    server = createServer(limits, handle);
  }
  server.maxConnections = maxConnections;
  server.timeout = stalledMs;
  const sockets = openSockets(server);
  const stop = async (): Promise<void> => {
    watched?.close();
    handler.close();
    const closed = close(server);
    for (const socket of sockets) socket.destroy();
    await closed;
  };
  try {
    const port = await listen(server, addr);
    server.on("error", (error) => parts.log.error({ error: messageOf(error) }, "the server of profiles failed"));
    return { port, close: stop };
  } catch (error) {
    watched?.close();
    throw error;
  }
}

/** Connections that there are, with those whose TLS handshake is not over: the server itself knows of them only then, and its end would wait. */
function openSockets(server: Server): ReadonlySet<Socket> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  return sockets;
}

/** Answers requests. */
class Handler {
  readonly #options: ProfilingOptions;
  readonly #parts: ProfilingParts;
  readonly #profiles: Profiles;
  readonly #ending = new AbortController();

  constructor(options: ProfilingOptions, parts: ProfilingParts) {
    this.#options = options;
    this.#parts = parts;
    this.#profiles = new Profiles(parts);
  }

  /** What is under way is given up. */
  close(): void {
    this.#ending.abort();
  }

  /** Never rejects. */
  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const refused = this.#refusal(request);
    if (refused) return send(request, response, refused);
    const gone = goneWith(response, this.#ending.signal);
    // A client that only waits is not one that has stalled.
    request.socket.setTimeout(0);
    try {
      await this.#answer(request, response, gone);
    } catch (error) {
      this.#failed(request, response, error, gone);
    } finally {
      request.socket.setTimeout(stalledMs);
    }
  }

  #refusal(request: IncomingMessage): Answer | undefined {
    const refused = refusal(request);
    if (refused) return refused;
    if (request.method === "HEAD") return { status: 405, body: "only GET is served\n", headers: { allow: "GET" } };
    return isOfOtherSite(request, this.#options.tls !== undefined) ? { status: 403, body: "pages of other sites are given nothing: ask by the address that is listened on\n" } : undefined;
  }

  async #answer(request: IncomingMessage, response: ServerResponse, gone: AbortSignal): Promise<void> {
    const asked = askedFor(urlOf(request));
    if (asked.kind === "index") return send(request, response, { status: 200, body: indexPage(this.#profiles.threads, this.#options.heapSnapshots), type: htmlType, headers: { "content-security-policy": indexPolicy } });
    if (asked.kind === "snapshot") return this.#snapshot(request, response, asked, gone);
    const { kind, thread, seconds } = asked;
    const { log } = this.#parts;
    const client = request.socket.remoteAddress;
    log.info({ kind, thread, seconds, client }, "a profile is asked for");
    const profile = await this.#profiles.record(kind, thread, seconds, gone);
    log.info({ kind, thread, seconds, client, bytes: profile.length }, "a profile was taken");
    send(request, response, { status: 200, body: profile, type: "application/json", headers: { "content-disposition": this.#fileName(asked) } });
  }

  async #snapshot(request: IncomingMessage, response: ServerResponse, asked: Extract<Asked, { kind: "snapshot" }>, gone: AbortSignal): Promise<void> {
    const { clock, log } = this.#parts;
    if (!this.#options.heapSnapshots) throw new ProfileRefusal(403, "full heap snapshots are off: one holds all that is in memory, tokens and keys among it, and stops its thread until it is made. /debug/pprof/heap tells what memory is used for, without contents; set wsmand.profiling.heapSnapshots for snapshots");
    const { thread } = asked;
    log.warn({ thread, client: request.socket.remoteAddress }, "a heap snapshot is taken: it holds secrets, and its thread stops until it is made");
    await this.#profiles.snapshot(thread, async (snapshot) => {
      request.socket.setTimeout(stalledMs);
      response.writeHead(200, { ...commonHeaders, "content-type": "application/json", "content-disposition": this.#fileName(asked) });
      const from = clock.monotonic();
      await pipeline(snapshot, response, { signal: gone });
      log.info({ thread, ms: Math.round(clock.monotonic() - from) }, "a heap snapshot was sent");
    });
  }

  #failed(request: IncomingMessage, response: ServerResponse, error: unknown, gone: AbortSignal): void {
    const { log } = this.#parts;
    if (gone.aborted) log.info({ client: request.socket.remoteAddress }, "a profile was given up: nobody waits for it");
    else if (!(error instanceof ProfileRefusal)) log.error({ error: messageOf(error) }, "a profile could not be taken");
    if (response.headersSent || gone.aborted) response.destroy();
    else if (error instanceof ProfileRefusal) send(request, response, { status: error.status, body: `${error.message}\n`, headers: error.retryAfter === undefined ? {} : { "retry-after": String(error.retryAfter) } });
    else send(request, response, { status: 500, body: "internal error\n" });
  }

  #fileName({ kind, thread }: Exclude<Asked, { kind: "index" }>): string {
    const time = new Date(this.#parts.clock.now()).toISOString().replaceAll(/[-:]|\.\d+/g, "");
    return `attachment; filename="wsmand-${thread}-${time}.${endings[kind]}"`;
  }
}

/** Aborts when the client has gone before it had its answer, or all ends. */
function goneWith(response: ServerResponse, ending: AbortSignal): AbortSignal {
  const gone = new AbortController();
  const abort = (): void => gone.abort();
  response.once("close", () => {
    ending.removeEventListener("abort", abort);
    if (!response.writableFinished) abort();
  });
  if (ending.aborted) abort();
  else ending.addEventListener("abort", abort, { once: true });
  return gone.signal;
}

/** Whether a browser asks on behalf of another site's page, be it by a name that it has made to mean this machine. With client certificates names are the certificates' affair. */
function isOfOtherSite({ headers }: IncomingMessage, tls: boolean): boolean {
  const site = headers["sec-fetch-site"];
  if (site !== undefined && site !== "none" && site !== "same-origin") return true;
  return !tls && !isLocalName(headers.host ?? "");
}

/** An address is no name that somebody else could make to mean something. */
function isLocalName(host: string): boolean {
  const name = URL.parse(`http://${host}`)?.hostname ?? "";
  return name === "localhost" || isIP(name.replace(/^\[(.*)\]$/, "$1")) !== 0;
}
