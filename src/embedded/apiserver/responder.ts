/** One answer over HTTP: whole or in a stream, counted, and cut short where a fault asks for it. */
import { ApiError } from "./errors.ts";
import type { HttpResponse } from "./http.ts";
import type { JsonObject } from "../../domain/json.ts";
import type { Bytes } from "./version.ts";

/** The answer to one request. */
export class Responder {
  readonly #response: HttpResponse;
  /** Bytes of the body until the connection is reset. */
  #cutAfter: number;

  constructor(response: HttpResponse, cutAfter = Number.POSITIVE_INFINITY) {
    this.#response = response;
    this.#cutAfter = cutAfter;
  }

  /** Whether the client is gone or the answer is complete. */
  get closed(): boolean {
    return this.#response.destroyed || this.#response.writableEnded;
  }

  /** Bytes that the client has yet to take. */
  get backlog(): number {
    return this.#response.writableLength;
  }

  onClose(callback: () => void): void {
    this.#response.once("close", callback);
  }

  header(name: string, value: string): void {
    this.#response.setHeader(name, value);
  }

  /** Answers with a whole body. */
  send(code: number, body: Bytes | string, contentType = "application/json"): void {
    if (this.closed || this.#response.headersSent) return;
    const bytes = typeof body === "string" ? [Buffer.from(body)] : body;
    const length = lengthOf(bytes);
    this.#response.writeHead(code, { "content-type": contentType, "content-length": length });
    if (length > this.#cutAfter) this.write(bytes);
    else this.#end(bytes);
  }

  json(code: number, value: JsonObject): void {
    this.send(code, JSON.stringify(value));
  }

  /** Answers with the Status of an error; one of our own making becomes a 500. */
  error(error: unknown): void {
    const known = error instanceof ApiError ? error : new ApiError(500, "InternalError", `Internal error occurred: ${error instanceof Error ? error.message : "unknown"}`);
    const retry = known.details?.retryAfterSeconds;
    if (retry !== undefined && !this.#response.headersSent) this.header("retry-after", String(retry));
    if (this.#response.headersSent) this.reset();
    else this.json(known.code, known.status());
  }

  /** Begins a streamed answer. */
  open(): void {
    this.#response.writeHead(200, { "content-type": "application/json", "cache-control": "no-cache, private" });
    this.#response.flushHeaders();
  }

  /** Writes a part, as one chunk; false when the client does not keep up. */
  write(bytes: Bytes): boolean {
    if (this.closed) return true;
    const length = lengthOf(bytes);
    if (length <= this.#cutAfter) {
      this.#cutAfter -= length;
      return this.#chunk(bytes);
    }
    const part = Buffer.concat(bytes, this.#cutAfter);
    this.#cutAfter = 0;
    this.writeAndReset(part);
    return true;
  }

  /** Writes a last part and resets the connection once it has left. */
  writeAndReset(bytes: Buffer): void {
    if (!this.closed) this.#response.write(bytes, () => this.reset());
  }

  /** Resolves when the client has taken what was written, or is gone. */
  drained(): Promise<void> {
    if (this.closed || !this.#response.writableNeedDrain) return Promise.resolve();
    return new Promise((resolve) => {
      const done = (): void => {
        this.#response.off("drain", done);
        this.#response.off("close", done);
        resolve();
      };
      this.#response.once("drain", done);
      this.#response.once("close", done);
    });
  }

  end(): void {
    if (!this.closed) this.#response.end();
  }

  /** Ends the connection with a reset. */
  reset(): void {
    const { socket } = this.#response;
    if (socket?.resetAndDestroy && socket.constructor.name === "Socket") socket.resetAndDestroy();
    else this.#response.destroy();
  }

  /** All bytes leave in one system call: the response alone would let go of the socket before it writes what it held back. */
  #chunk(bytes: Bytes): boolean {
    const { socket } = this.#response;
    socket?.cork();
    this.#response.cork();
    let free = true;
    for (const part of bytes) free = this.#response.write(part);
    this.#response.uncork();
    socket?.uncork();
    return free;
  }

  #end(bytes: Bytes): void {
    for (const part of bytes.slice(0, -1)) this.#response.write(part);
    this.#response.end(bytes.at(-1));
  }
}

/** Bytes of all parts together. */
export function lengthOf(bytes: Bytes): number {
  return bytes.reduce((sum, part) => sum + part.length, 0);
}
