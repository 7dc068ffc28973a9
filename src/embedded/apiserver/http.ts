/** A request and its answer as the API server sees them: Node's own, or those of a client in this very process. */
import type { IncomingHttpHeaders, OutgoingHttpHeaders } from "node:http";

/** What node:http's IncomingMessage is asked for. */
export interface HttpRequest {
  readonly method?: string | undefined;
  /** Path and query. */
  readonly url?: string | undefined;
  readonly headers: IncomingHttpHeaders;
  /** The whole body has come. */
  readonly complete: boolean;
  on(event: "data", listener: (chunk: Buffer) => void): unknown;
  once(event: "end" | "close" | "error", listener: (error?: Error) => void): unknown;
  /** Lets the body go. */
  resume(): unknown;
}

/** What of the connection below an answer is used. */
export interface HttpSocket {
  cork(): void;
  uncork(): void;
  resetAndDestroy?(): unknown;
}

/** What node:http's ServerResponse is asked for. */
export interface HttpResponse {
  readonly destroyed: boolean;
  readonly headersSent: boolean;
  readonly writableEnded: boolean;
  readonly writableLength: number;
  readonly writableNeedDrain: boolean;
  readonly socket: HttpSocket | null;
  once(event: "close" | "drain", listener: () => void): unknown;
  off(event: "close" | "drain", listener: () => void): unknown;
  setHeader(name: string, value: string): unknown;
  writeHead(code: number, headers: OutgoingHttpHeaders): unknown;
  flushHeaders(): void;
  write(chunk: Buffer, done?: () => void): boolean;
  end(chunk?: Buffer): unknown;
  cork(): void;
  uncork(): void;
  destroy(): unknown;
}
