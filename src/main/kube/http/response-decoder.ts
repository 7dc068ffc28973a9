/** Decodes one HTTP/1.1 response out of reads of a socket, the body as views of them: nothing is copied, nothing made for a chunk but its view. */
import { KubeError } from "../errors.ts";
import type { ResponseHead, ResponseHeaders } from "./exchange.ts";

/** Bytes that status line and headers may have, and trailers. */
const maxHeadBytes = 64 * 1024;
/** Characters that a chunk's size may have with its extensions. */
const maxSizeLine = 1024;
/** Hexadecimal digits of a chunk's size: 2^52 at most, which no number rounds. */
const maxSizeDigits = 13;

const carriageReturn = 0x0d;
const lineFeed = 0x0a;

/** Where the decoder stands. */
const At = { head: 0, size: 1, extension: 2, sizeEnd: 3, chunk: 4, chunkReturn: 5, chunkEnd: 6, trailer: 7, counted: 8, untilClose: 9, done: 10 } as const;
type Place = (typeof At)[keyof typeof At];

/** Hears of the response's parts, during push. */
export interface ResponseListener {
  /** Status line and headers; decoding stops behind them. Not told of 1xx. */
  head(head: ResponseHead): void;
  /** A part of the body, a view of what was pushed. @returns whether to go on: if not, decoding stops behind it. */
  data(part: Buffer): boolean;
}

/** One response. What is no HTTP/1.x makes push and finish throw a KubeError (reason "NotHTTP"). */
export class ResponseDecoder {
  readonly #listener: ResponseListener;
  #place: Place = At.head;
  #head = "";
  /** Bytes that are missing of the chunk or the counted body; while a size is read, the size so far. */
  #left = 0;
  #lineLength = 0;
  #digits = 0;
  /** Bytes in the trailer's current line. */
  #trailerLine = 0;

  constructor(listener: ResponseListener) {
    this.#listener = listener;
  }

  /** The body's end was reached; what follows is ignored. */
  get done(): boolean {
    return this.#place === At.done;
  }

  /** Decodes the bytes from `from` to `to`. @returns where it stopped: at `to`, or earlier because the listener wanted it, or because the response is at its end. */
  push(bytes: Buffer, from: number, to: number): number {
    let at = from;
    while (at < to && this.#place !== At.done) {
      if (this.#place === At.head) {
        at = this.#readHead(bytes, at, to);
        if (!this.#inHead()) return at;
      } else if (this.#inContent()) {
        const part = bytes.subarray(at, Math.min(to, at + this.#left));
        at += part.length;
        if (!this.#content(part)) return at;
      } else this.#byte(bytes[at++] ?? 0);
    }
    return at;
  }

  #inHead(): boolean {
    return this.#place === At.head;
  }

  #inContent(): boolean {
    return this.#place === At.chunk || this.#place === At.counted || this.#place === At.untilClose;
  }

  /** @returns whether to go on. */
  #content(part: Buffer): boolean {
    this.#left -= part.length;
    if (this.#left === 0) this.#place = this.#place === At.chunk ? At.chunkReturn : At.done;
    return this.#listener.data(part);
  }

  /** The connection was closed. Throws a KubeError (reason "Truncated") if the response was not complete. */
  finish(): void {
    if (this.#place !== At.done && this.#place !== At.untilClose) throw new KubeError("the API server closed the connection in the middle of its answer", { status: 0, reason: "Truncated" });
    this.#place = At.done;
  }

  /** One byte of what surrounds chunks. */
  #byte(byte: number): void {
    if (this.#place === At.size) this.#sizeDigit(byte);
    else if (this.#place === At.extension) this.#extensionByte(byte);
    else if (this.#place === At.sizeEnd) {
      this.#trailerLine = this.#lineLength = 0;
      this.#expect(byte, lineFeed, this.#left === 0 ? At.trailer : At.chunk);
    } else if (this.#place === At.chunkReturn) this.#expect(byte, carriageReturn, At.chunkEnd);
    else if (this.#place === At.chunkEnd) {
      this.#digits = this.#lineLength = 0;
      this.#expect(byte, lineFeed, At.size);
    } else this.#trailerByte(byte);
  }

  #extensionByte(byte: number): void {
    if (++this.#lineLength > maxSizeLine) throw malformed("a chunk with a line too long");
    if (byte === carriageReturn) this.#place = At.sizeEnd;
  }

  #sizeDigit(byte: number): void {
    const digit = hexDigit(byte);
    if (digit !== -1 && this.#digits < maxSizeDigits) {
      this.#digits++;
      this.#left = this.#left * 16 + digit;
    } else if (digit !== -1 || this.#digits === 0) throw malformed("a chunk without a usable size");
    else if (byte === carriageReturn) this.#place = At.sizeEnd;
    else if (byte === 0x3b || byte === 0x20 || byte === 0x09) this.#place = At.extension;
    else throw malformed("a chunk without a usable size");
  }

  /** Trailers are skipped, up to the empty line. */
  #trailerByte(byte: number): void {
    if (++this.#lineLength > maxHeadBytes) throw malformed("trailers too long");
    if (byte === lineFeed) {
      if (this.#trailerLine === 0) this.#place = At.done;
      this.#trailerLine = 0;
    } else if (byte !== carriageReturn) this.#trailerLine++;
  }

  #expect(byte: number, expected: number, next: Place): void {
    if (byte !== expected) throw malformed("a chunk of another length than it says");
    this.#place = next;
  }

  /** Gathers the head; gives where the body begins, or `to`. */
  #readHead(bytes: Buffer, from: number, to: number): number {
    const before = this.#head.length;
    this.#head += bytes.toString("latin1", from, Math.min(to, from + maxHeadBytes + 4 - before));
    // The empty line may have begun in an earlier read.
    const end = this.#head.indexOf("\r\n\r\n", Math.max(0, before - 3));
    if (end === -1) {
      if (this.#head.length > maxHeadBytes) throw malformed("headers too long");
      return to;
    }
    const text = this.#head.slice(0, end);
    this.#head = "";
    const head = readHead(text);
    if (head.status >= 200) {
      this.#beginBody(head);
      this.#listener.head(head);
    } else if (head.status === 101) throw malformed("an upgrade that nobody asked for");
    return from + end + 4 - before;
  }

  #beginBody({ status, headers }: ResponseHead): void {
    const { "transfer-encoding": encoding, "content-length": length, "content-encoding": content = "identity" } = headers;
    // Whoever stands between may do so for ever: as with lines that can not be read, lists make up for it.
    if (content !== "identity") throw new KubeError("the API server's answer has a content encoding that nobody asked for", { status: 0, reason: "Malformed" });
    this.#left = 0;
    if (status === 204 || status === 304) this.#place = At.done;
    else if (encoding !== undefined) {
      if (typeof encoding !== "string" || encoding.toLowerCase() !== "chunked") throw malformed("a transfer encoding that is not chunked");
      this.#place = At.size;
    } else this.#beginCounted(length);
  }

  #beginCounted(length: ResponseHeaders[string]): void {
    if (length !== undefined && (typeof length !== "string" || !/^\d{1,15}$/.test(length))) throw malformed("a length that is none");
    this.#left = length === undefined ? Number.POSITIVE_INFINITY : Number(length);
    this.#place = length === undefined ? At.untilClose : this.#left === 0 ? At.done : At.counted;
  }
}

function readHead(text: string): ResponseHead {
  const lines = text.split("\r\n");
  const status = /^HTTP\/1\.[01] ([1-9]\d\d)(?: |$)/.exec(lines[0] ?? "")?.[1];
  if (status === undefined) throw malformed("no HTTP/1.1 status line");
  // Names are the peer's choice: "constructor" is as good as any.
  const headers = new Map<string, string | string[]>();
  for (const line of lines.slice(1)) {
    const colon = line.indexOf(":");
    // Names are tokens: neither empty nor with spaces around, which excludes folded lines.
    const name = line.slice(0, colon).toLowerCase();
    if (colon < 1 || !/^[!#$%&'*+.^_`|~0-9a-z-]+$/.test(name)) throw malformed("a header that is none");
    const value = line.slice(colon + 1).trim();
    const known = headers.get(name);
    headers.set(name, known === undefined ? value : [...(typeof known === "string" ? [known] : known), value]);
  }
  return { status: Number(status), headers: Object.fromEntries(headers) };
}

function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const letter = byte | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}

function malformed(what: string): KubeError {
  return new KubeError(`the API server's answer is no HTTP: ${what}`, { status: 0, reason: "NotHTTP" });
}
