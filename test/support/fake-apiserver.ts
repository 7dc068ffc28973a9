/** An HTTP server that plays an API server from a script: each test says how lists and watches are answered, faults included. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";

/** A request as it came. */
export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
  readonly watch: boolean;
  /** Connections are numbered. */
  readonly connection: number;
}

/** One answer under way. */
export class Answer {
  readonly request: SeenRequest;
  readonly #response: ServerResponse;

  constructor(request: SeenRequest, response: ServerResponse) {
    this.request = request;
    this.#response = response;
  }

  /** Whether the client is gone. */
  get closed(): boolean {
    return this.#response.closed;
  }

  /** Bytes that wait because the client does not read. */
  get pending(): number {
    return this.#response.writableLength;
  }

  /** A complete JSON answer. */
  json(status: number, body: unknown, headers: Record<string, string> = {}): void {
    this.#response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));
  }

  /** A Kubernetes Status. */
  status(code: number, reason: string, options: { headers?: Record<string, string>; details?: object; message?: string } = {}): void {
    this.json(code, statusObject(code, reason, options), options.headers ?? {});
  }

  /** A page of a list. */
  list(resourceVersion: string, items: readonly unknown[], metadata: object = {}): void {
    this.json(200, { kind: "List", apiVersion: "v1", metadata: { resourceVersion, ...metadata }, items });
  }

  /** Begins a stream and keeps it open. */
  open(): this {
    this.#response.writeHead(200, { "content-type": "application/json" });
    this.#response.flushHeaders();
    return this;
  }

  /** One line of a watch; opens the stream if need be. */
  event(type: string, object: unknown): this {
    return this.raw(`${JSON.stringify({ type, object })}\n`);
  }

  bookmark(resourceVersion: string): this {
    return this.event("BOOKMARK", { kind: "Pod", apiVersion: "v1", metadata: { resourceVersion, creationTimestamp: null } });
  }

  raw(bytes: string | Uint8Array): this {
    if (!this.#response.headersSent) this.open();
    this.#response.write(bytes);
    return this;
  }

  /** The end as it should be. */
  end(): void {
    this.#response.end();
  }

  /** The connection breaks. */
  reset(): void {
    const { socket } = this.#response;
    // Below TLS there is no way to it.
    if (socket instanceof TLSSocket) socket.destroy();
    else socket?.resetAndDestroy();
  }
}

/** A Status as API servers send it. */
export function statusObject(code: number, reason: string, options: { details?: object; message?: string } = {}): object {
  return { kind: "Status", apiVersion: "v1", status: "Failure", code, reason, message: options.message ?? `it is ${reason}`, details: options.details };
}

/** The server. Requests are answered by `handle`, which tests replace as they go. */
export class FakeApiServer {
  readonly requests: SeenRequest[] = [];
  /** Answers to watches that were given to the handler, in order. */
  readonly watches: Answer[] = [];
  handle: (answer: Answer) => void = (answer) => answer.status(404, "NotFound");
  readonly #tls: { readonly key: string; readonly cert: string } | undefined;
  readonly #sockets = new Map<Socket, number>();
  #server: Server | undefined;
  #port = 0;
  #connections = 0;

  constructor(tls?: { readonly key: string; readonly cert: string }) {
    this.#tls = tls;
  }

  get url(): string {
    return `${this.#tls ? "https" : "http"}://127.0.0.1:${this.#port}`;
  }

  /** Connections that are open. */
  get open(): number {
    return this.#sockets.size;
  }

  /** Connections ever made. */
  get connections(): number {
    return this.#connections;
  }

  /** Starts, after a stop on the same port. */
  async start(): Promise<this> {
    const listener = (request: IncomingMessage, response: ServerResponse): void => this.#receive(request, response);
    const server = this.#tls ? createTlsServer(this.#tls, listener) : createServer(listener);
    server.on("connection", (socket: Socket) => {
      this.#sockets.set(socket, ++this.#connections);
      socket.on("error", () => undefined);
      socket.once("close", () => this.#sockets.delete(socket));
    });
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(this.#port, "127.0.0.1", resolve);
    });
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("no port");
    this.#port = address.port;
    this.#server = server;
    return this;
  }

  /** Goes away: breaks all connections and listens no more. */
  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    for (const socket of this.#sockets.keys()) socket.destroy();
    if (server) await new Promise((resolve) => server.close(resolve));
  }

  #receive(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? "/", "http://server");
    let body = "";
    request.setEncoding("utf8");
    request.on("data", (chunk: string) => (body += chunk));
    request.on("end", () => {
      const watch = url.searchParams.has("watch");
      // A TLS socket is not the one that was counted; the port tells connections apart as well.
      const connection = request.socket.remotePort ?? 0;
      const seen: SeenRequest = { method: request.method ?? "", path: url.pathname, query: url.searchParams, headers: request.headers, body, watch, connection };
      this.requests.push(seen);
      const answer = new Answer(seen, response);
      if (watch) this.watches.push(answer);
      response.on("error", () => undefined);
      this.handle(answer);
    });
  }
}
