/** The way to the API server: raw requests over shared connections, with credentials that are renewed, and errors that say what to do. */
import type { Dispatcher } from "undici";
import type { Clock } from "../../domain/clock.ts";
import { messageOf } from "../../domain/errors.ts";
import type { Access, AccessSource } from "./credentials.ts";
import { KubeError, responseError, toKubeError } from "./errors.ts";
import { Exchange, type ResponseBody, type ResponseHead, type ResponseHeaders } from "./http/exchange.ts";
import { OwnConnection } from "./http/own-connection.ts";
import { createPool, PooledTransport } from "./http/pooled.ts";
import { notPermitted } from "./read-only.ts";
import { describeRequest } from "./requestinfo.ts";

/** One request. */
export interface KubeRequest {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** A GET whose answer goes on and on. */
  readonly watch?: boolean;
  /** A GET whose answer is long: like a watch it has a connection of its own, read with as little work, and into as little memory, as can be. */
  readonly long?: boolean;
  /** Absolute path without query, "/api/v1/namespaces/default/pods". Its parts must be encoded already. */
  readonly path: string;
  /** Query parameters; undefined ones are left out. */
  readonly query?: Readonly<Record<string, string | undefined>>;
  /** Further headers, names in lower case. A body needs its content-type here. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
  readonly signal: AbortSignal;
  /** Asked in the moment before the request is written to its connection: false, and it is not (reason "Aborted"). */
  readonly may?: () => boolean;
  /** How long the headers of the answer may take, milliseconds; a wait for a connection counts by itself, and may take as long. Default 30,000. */
  readonly timeoutMs?: number;
}

/** An answer whose body was not read yet. */
export interface KubeResponse {
  readonly status: number;
  readonly headers: ResponseHeaders;
  readonly body: ResponseBody;
}

/** What is told of a request for metrics, when its headers came or it failed. */
export interface RequestRecord {
  /** As in Kubernetes' audit: get, list, watch, create, update, patch, delete. */
  readonly verb: string;
  /** Plural resource with its subresource, "pods", "pods/status"; "" for other paths. */
  readonly resource: string;
  /** HTTP status, "error" if none came, "cancelled" if we gave up. */
  readonly code: string;
  readonly seconds: number;
}

/** Called by the client; must not throw. */
export interface ClientHooks {
  onRequest?(record: RequestRecord): void;
  /** The API server's clock, from the Date header of an answer: Unix milliseconds, whole seconds. */
  observe?(dateMs: number): void;
  /** Asked of each request: false, and it is not sent (reason "ReadOnly"). Default: all may be. */
  permits?(request: Pick<KubeRequest, "method" | "path">): boolean;
}

/** A request as it goes over a connection. */
export interface CarriedRequest {
  readonly method: KubeRequest["method"];
  /** With its query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | string | undefined;
}

/** Takes a request to the API server in another way than over sockets, and tells the exchange what becomes of it; calls `onDone` once when it is over. */
export type Carrier = (request: CarriedRequest, exchange: Exchange, onDone: () => void) => void;

/** What the client is made of. */
export interface KubeClientOptions {
  readonly credentials: AccessSource;
  readonly clock: Clock;
  readonly hooks?: ClientHooks;
  /** Connections at once; watches and lists have theirs beside them, but where a proxy stands between. Default 64: with an API server that takes half a second, 128 requests a second, more than the default budget. */
  readonly maxConnections?: number;
  /** Requests at once, running and waiting for a connection; more are refused with a retryable KubeError (reason "Busy"). Default 1,000. */
  readonly maxRequests?: number;
  readonly userAgent?: string;
  /** Default: HTTP over sockets. */
  readonly carrier?: Carrier | undefined;
}

/** The part of the client that reflectors need. */
export interface Requester {
  request(request: KubeRequest): Promise<KubeResponse>;
}

/** Idle time allowed within the body of an ordinary answer, milliseconds. */
const bodyIdleMs = 30_000;
/** Errors are read up to here. */
const maxErrorBytes = 64 * 1024;

/** A client for one API server. All methods reject with KubeErrors only. */
export class KubeClient implements Requester {
  readonly #options: KubeClientOptions;
  #dispatcher: { readonly digest: string; readonly use: Dispatcher } | undefined;
  /** Replaced dispatchers that still have requests running. */
  readonly #retired = new Set<Dispatcher>();
  /** Under way over connections of their own. */
  readonly #own = new Set<Exchange>();
  #running = 0;
  #closed = false;

  constructor(options: KubeClientOptions) {
    this.#options = options;
  }

  /**
   * Sends a request; resolves with the answer, whatever its status, once its headers are there. An answer of 401 is tried once more with renewed credentials if there are any.
   * The body must be read or discarded. Aborting the signal breaks the body off as well.
   */
  async request(request: KubeRequest): Promise<KubeResponse> {
    if (this.#options.hooks?.permits?.(request) === false) throw notPermitted(request);
    const access = await this.#access();
    const first = await this.#send(request, access);
    if (first.status !== 401) return first;
    const renewed = await this.#options.credentials.renew(access).catch((error: unknown) => {
      first.body.discard();
      throw unreadable(error);
    });
    if (renewed === access) return first;
    first.body.discard();
    return this.#send(request, renewed);
  }

  /** Body of a GET, exactly as it came. Rejects for every status but 200, and with reason "TooLarge" above limit bytes (default 16 MiB). */
  async getRaw(path: string, options: { readonly signal: AbortSignal; readonly query?: KubeRequest["query"]; readonly limit?: number; readonly timeoutMs?: number }): Promise<Uint8Array> {
    const request: KubeRequest = { method: "GET", path, signal: options.signal, query: options.query ?? {}, timeoutMs: options.timeoutMs ?? 30_000 };
    const response = await this.request(request);
    if (response.status !== 200) throw await failure(response, this.#options.clock);
    return response.body.bytes(options.limit ?? 16 << 20, bodyIdleMs);
  }

  /** Breaks off all that runs and closes the connections. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const exchange of this.#own) exchange.fail(closedError());
    const all = [...this.#retired, ...(this.#dispatcher ? [this.#dispatcher.use] : [])];
    this.#dispatcher = undefined;
    this.#retired.clear();
    await Promise.all(all.map(async (dispatcher) => dispatcher.destroy()));
  }

  async #access(): Promise<Access> {
    return this.#options.credentials.current().catch((error: unknown) => Promise.reject(unreadable(error)));
  }

  async #send(request: KubeRequest, access: Access): Promise<KubeResponse> {
    const { clock, hooks, maxRequests = 1000 } = this.#options;
    if (this.#running >= maxRequests) throw new KubeError(`${maxRequests} requests to the API server are under way already`, { status: 0, reason: "Busy" });
    this.#running++;
    const startedAt = clock.monotonic();
    const exchange = new Exchange(clock, request.signal, request.timeoutMs ?? 30_000, request.may);
    try {
      this.#carry(request, access, exchange);
    } catch (error) {
      exchange.fail(toKubeError(error));
      this.#running--;
    }
    const info = describeRequest(request.method, request.path, request.watch ?? false);
    const record = (code: string): void => hooks?.onRequest?.({ ...info, code, seconds: (clock.monotonic() - startedAt) / 1000 });
    try {
      const head = await exchange.head;
      record(String(head.status));
      this.#observe(head);
      return { ...head, body: exchange };
    } catch (error) {
      record(request.signal.aborted ? "cancelled" : "error");
      throw toKubeError(error);
    }
  }

  /** Finds a transport for the exchange; throws if there is none. */
  #carry(request: KubeRequest, access: Access, exchange: Exchange): void {
    if (this.#closed) throw closedError();
    if (exchange.failure) throw exchange.failure;
    const headers = { accept: "application/json", "user-agent": this.#options.userAgent ?? "wsmand", ...request.headers, ...access.headers };
    const { method } = request;
    const path = access.basePath + request.path + queryString(request.query);
    const { carrier } = this.#options;
    if (carrier) return carrier({ method, path, headers, body: request.body }, exchange, () => this.#running--);
    if ((request.watch || request.long) && access.proxyUrl === undefined) {
      OwnConnection.open(access, { path, headers }, exchange, this.#options.clock, () => {
        this.#own.delete(exchange);
        this.#running--;
      });
      this.#own.add(exchange);
      return undefined;
    }
    const pool = this.#pool(access);
    const transport = new PooledTransport(exchange, () => this.#running--);
    try {
      // Deadlines are the exchange's, on its clock.
      pool.dispatch({ origin: access.origin, path, method, headers, body: request.body ?? null, headersTimeout: 0, bodyTimeout: 0 }, transport);
    } catch (error) {
      transport.refused(error);
    }
    return undefined;
  }

  #observe(head: ResponseHead): void {
    const date = head.headers["date"];
    const ms = typeof date === "string" ? Date.parse(date) : Number.NaN;
    if (Number.isFinite(ms)) this.#options.hooks?.observe?.(ms);
  }

  /** The dispatcher for this access. When certificates or the server change it is replaced; requests under way end on the old one. */
  #pool(access: Access): Dispatcher {
    if (this.#dispatcher?.digest === access.connectionDigest) return this.#dispatcher.use;
    const old = this.#dispatcher?.use;
    if (old) {
      this.#retired.add(old);
      old.close().catch(() => undefined).finally(() => this.#retired.delete(old)).catch(() => undefined);
    }
    const use = createPool(access, this.#options.maxConnections ?? 64);
    this.#dispatcher = { digest: access.connectionDigest, use };
    return use;
  }
}

/** The error that an answer stands for; reads its body. */
export async function failure(response: KubeResponse, clock: Clock): Promise<KubeError> {
  const body = await response.body.bytes(maxErrorBytes, bodyIdleMs).catch(() => new Uint8Array());
  const retryAfter = response.headers["retry-after"];
  return responseError(response.status, typeof retryAfter === "string" ? retryAfter : undefined, body, clock.now());
}

function queryString(query: KubeRequest["query"]): string {
  const params = new URLSearchParams();
  for (const [key, value] of Object.entries(query ?? {})) if (value !== undefined) params.set(key, value);
  const text = params.toString();
  return text === "" ? "" : `?${text}`;
}

function unreadable(error: unknown): KubeError {
  return new KubeError(`no credentials for the API server: ${messageOf(error)}`, { status: 0, reason: "Credentials", cause: error });
}

function closedError(): KubeError {
  return new KubeError("the client was closed", { status: 0, reason: "Closed", retryable: false });
}
