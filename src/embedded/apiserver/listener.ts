/** The socket: listening, closing, and going away for a while. */
import { createServer as createHttpServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** Certificate and key of the server, PEM. */
export interface TlsOptions {
  readonly cert: string;
  readonly key: string;
}

/** Most connections at a time; more are closed. */
const maxConnections = 10_000;

/** A listening server. */
export class Listener {
  readonly #tls: TlsOptions | undefined;
  readonly #host: string;
  readonly #handler: (request: IncomingMessage, response: ServerResponse) => void;
  #port: number;
  #server: Server | undefined;

  constructor(host: string, port: number, tls: TlsOptions | undefined, handler: (request: IncomingMessage, response: ServerResponse) => void) {
    this.#host = host;
    this.#port = port;
    this.#tls = tls;
    this.#handler = handler;
  }

  get port(): number {
    return this.#port;
  }

  /** Listens; the port stays the same from the first time on. Rejects if it is taken. */
  async start(): Promise<void> {
    if (this.#server) return;
    const server = this.#tls ? (await import("node:https")).createServer({ cert: this.#tls.cert, key: this.#tls.key }, this.#handler) : createHttpServer(this.#handler);
    server.keepAliveTimeout = 60_000;
    server.requestTimeout = 60_000;
    server.maxConnections = maxConnections;
    server.on("clientError", (_error, socket) => socket.destroy());
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(this.#port, this.#host, () => {
        server.off("error", reject);
        server.on("error", () => {});
        resolve();
      });
    });
    this.#server = server;
    const address: AddressInfo | string | null = server.address();
    if (address !== null && typeof address === "object") this.#port = address.port;
  }

  /** Breaks all connections and stops listening. */
  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (!server) return;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeAllConnections();
    await closed;
  }
}
