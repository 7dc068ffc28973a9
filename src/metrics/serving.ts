/** What the HTTP servers here have in common: where they listen, which requests they refuse, how an answer is sent, how they end. */
import type { IncomingMessage, Server as PlainServer, ServerResponse } from "node:http";
import type { Server as TlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { parseListenAddress } from "../domain/listen-address.ts";

/** Either kind of server. */
export type Server = PlainServer | TlsServer;

/** What is sent. */
export interface Answer {
  readonly status: number;
  readonly body: string;
  /** Default: plain text. */
  readonly type?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** What answers the requests for a path. */
export type Route = (url: URL) => Answer | Promise<Answer>;

/** Content type of a page. */
export const htmlType = "text/html; charset=utf-8";

/** Of every answer: it is of this moment, and what it says it is. */
export const commonHeaders = { "cache-control": "no-store", "x-content-type-options": "nosniff" } as const;

/**
 * Binds a server. @param addr like ":9500"; port 0 lets the system choose. @returns the port.
 * @throws Error if the address is none, or can not be bound.
 */
export async function listen(server: Server, addr: string): Promise<number> {
  const address = parseListenAddress(addr);
  if (!address) throw new Error(`${JSON.stringify(addr)} is not an address to listen on: give host:port or :port`);
  const { host, port } = address;
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ port, ...(host === undefined ? {} : { host }) }, () => {
      server.off("error", reject);
      const bound: AddressInfo | string | null = server.address();
      resolve(typeof bound === "object" && bound ? bound.port : port);
    });
  });
}

/** Stops listening and ends what is open. */
export function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

/** The answer to a request that is none of those that are served at all; undefined: it may be. */
export function refusal(request: IncomingMessage): Answer | undefined {
  if (request.method !== "GET" && request.method !== "HEAD") return { status: 405, body: "only GET and HEAD are served\n", headers: { allow: "GET, HEAD" } };
  return hasBody(request) ? { status: 413, body: "requests have no body here\n" } : undefined;
}

function hasBody(request: IncomingMessage): boolean {
  return request.headers["transfer-encoding"] !== undefined || Number(request.headers["content-length"] ?? 0) > 0;
}

/** The URL that a request is for; null if it is none. */
export function urlOf(request: IncomingMessage): URL | null {
  return URL.parse(request.url ?? "/", "http://localhost");
}

/** Sends an answer. */
export function send(request: IncomingMessage, response: ServerResponse, answer: Answer): void {
  const unread = hasBody(request);
  response.writeHead(answer.status, {
    "content-type": answer.type ?? "text/plain; charset=utf-8",
    "content-length": Buffer.byteLength(answer.body),
    ...commonHeaders,
    ...(unread ? { connection: "close" } : {}),
    ...answer.headers,
  });
  response.end(request.method === "HEAD" ? undefined : answer.body, () => {
    if (unread) request.destroy();
  });
}
