/**
 * A lean client of gRPC calls with one request, on HTTP/2 frames by hand: a load tool must cost less than what it measures, and a full client costs more.
 * Flow control is kept as usual clients do (64 KiB a stream, 1 MiB a connection), and a server's for the connection; headers and trailers are not decoded.
 */
import { connect as connectTcp } from "node:net";
import type { Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { dataFrames, flagAck, flagEnd, flagEndHeaders, flagPadded, frame, headerBytes, headers, maxFrame, settings, types, uint32 } from "./http2-frames.ts";
import type { Held } from "./http2-frames.ts";
import { Reassembler } from "./reassembler.ts";

/** Where and how to connect. PEM texts; `tls` undefined means none. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
  readonly tls?: { readonly ca?: string | undefined; readonly cert?: string | undefined; readonly key?: string | undefined } | undefined;
}

/** Receives what a stream brings. The bytes of a message are valid during the call only. */
export interface StreamSink {
  message(bytes: Buffer, start: number, end: number): void;
  /** The response headers are there. */
  opened(): void;
  /**
   * The stream is over, whoever ended it; called once.
   * @param complete the server ended it in order, with response headers at its begin and trailers at its end. (With trailers alone, as servers refuse calls, it is not.)
   */
  ended(why: string, complete: boolean): void;
}

const prefixBytes = 5;
const streamWindow = 65_535;
const connectionWindow = 1_048_576;
/** Reassemblers of streams that are over, kept for their room, which may be a large message's. */
const maxIdle = 4;
const none = Buffer.alloc(0);

interface OpenStream {
  readonly sink: StreamSink;
  readonly parts: Reassembler;
  opened: boolean;
  consumed: number;
}

/** One connection with any number of streams. */
export class GrpcConnection {
  readonly #endpoint: Endpoint;
  readonly #socket: Socket;
  readonly #streams = new Map<number, OpenStream>();
  #nextId = 1;
  #consumed = 0;
  readonly #idle: Reassembler[] = [];
  /** Begin of a frame whose end has not come yet. */
  #rest = none;
  #failed: string | undefined;
  /** Bytes of requests that the server still takes. */
  #window = streamWindow;
  readonly #held: Held[] = [];

  /** Connects. @param shared buffer that the system reads into; may be that of all connections of the process. */
  constructor(endpoint: Endpoint, shared: Buffer) {
    this.#endpoint = endpoint;
    this.#socket = open(endpoint, shared, (bytes, length) => this.#read(bytes, length));
    this.#socket.setNoDelay(true);
    this.#socket.on("error", (error) => this.#end(reasonOf(error)));
    this.#socket.on("close", () => this.#end("the connection was closed"));
    this.#socket.write(Buffer.concat([
      Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
      frame(types.settings, 0, 0, settings()),
      frame(types.window, 0, 0, uint32(connectionWindow - 65_535)),
    ]));
  }

  /** Begins a call whose request is an encoded message. @throws RangeError for one that does not fit a stream's window, 64 KiB. */
  call(path: string, request: Uint8Array, metadata: Readonly<Record<string, string>>, sink: StreamSink): void {
    if (prefixBytes + request.length > streamWindow) throw new RangeError(`a request of ${request.length} bytes`);
    if (this.#failed !== undefined) {
      sink.ended(this.#failed, false);
      return;
    }
    const id = this.#nextId;
    this.#nextId += 2;
    this.#streams.set(id, { sink, parts: this.#idle.pop() ?? new Reassembler(), opened: false, consumed: 0 });
    const prefix = Buffer.alloc(prefixBytes);
    prefix.writeUInt32BE(request.length, 1);
    const authority = `${this.#endpoint.host}:${this.#endpoint.port}`;
    const head = headers({ ":method": "POST", ":scheme": this.#endpoint.tls ? "https" : "http", ":path": path, ":authority": authority, "content-type": "application/grpc", te: "trailers", ...metadata });
    this.#held.push({ bytes: frame(types.headers, flagEndHeaders, id, head), size: 0 }, ...dataFrames(id, Buffer.concat([prefix, request])));
    this.#send();
  }

  /** Sends the frames that the server takes, in the order of the calls. It may owe half a window for ever: more than a frame. */
  #send(): void {
    let count = 0;
    for (const { size } of this.#held) {
      if (size > this.#window) break;
      this.#window -= size;
      count++;
    }
    if (count > 0) this.#socket.write(Buffer.concat(this.#held.splice(0, count).map(({ bytes }) => bytes)));
  }

  /** It has ended: no call can be made on it. */
  get failed(): boolean {
    return this.#failed !== undefined;
  }

  /** Reads nothing more from the socket, as a client that hangs. */
  stall(): void {
    this.#socket.pause();
  }

  close(): void {
    this.#socket.destroy();
    this.#end("closed");
  }

  #end(why: string): void {
    this.#failed ??= why;
    const streams = [...this.#streams.values()];
    this.#streams.clear();
    for (const { sink } of streams) sink.ended(why, false);
  }

  /** What is answered to a chunk, windows for the most part, goes out together. */
  #read(chunk: Buffer, length: number): void {
    if (this.#failed !== undefined) return;
    this.#socket.cork();
    this.#cut(chunk, length);
    this.#socket.uncork();
  }

  #cut(chunk: Buffer, length: number): void {
    let at = this.#complete(chunk, length);
    while (length - at >= headerBytes) {
      const size = this.#sizeAt(chunk, at);
      if (size === undefined) return;
      if (length - at < headerBytes + size) break;
      this.#frame(chunk, at, size);
      at += headerBytes + size;
    }
    if (at < length) this.#rest = Buffer.from(chunk.subarray(at, length));
  }

  /** Adds to the frame whose begin has come before as much as belongs to it, and nothing else. Gives how much of the chunk that was. */
  #complete(chunk: Buffer, length: number): number {
    let at = 0;
    while (this.#rest.length > 0) {
      const size = this.#rest.length < headerBytes ? 0 : this.#sizeAt(this.#rest, 0);
      if (size === undefined) return length;
      const missing = headerBytes + size - this.#rest.length;
      if (missing === 0) {
        const whole = this.#rest;
        this.#rest = none;
        this.#frame(whole, 0, size);
        return at;
      }
      if (at === length) return at;
      const piece = chunk.subarray(at, Math.min(length, at + missing));
      this.#rest = Buffer.concat([this.#rest, piece]);
      at += piece.length;
    }
    return at;
  }

  /** Length of the frame that begins there; undefined, and the end of the connection, if it is not allowed. */
  #sizeAt(bytes: Buffer, at: number): number | undefined {
    const size = bytes.readUIntBE(at, 3);
    if (size <= maxFrame) return size;
    this.#socket.destroy(new Error("the server sent a frame larger than is allowed"));
    return undefined;
  }

  #frame(bytes: Buffer, at: number, size: number): void {
    const type = bytes[at + 3] ?? 0;
    const flags = bytes[at + 4] ?? 0;
    const id = bytes.readUInt32BE(at + 5) & 0x7fffffff;
    const from = at + headerBytes;
    switch (type) {
      case types.data: this.#data(bytes, from, size, flags, id); break;
      case types.headers: this.#headers(flags, id); break;
      case types.reset: this.#close(id, `the stream was reset (${bytes.readUInt32BE(from)})`, false); break;
      case types.settings: this.#acknowledge(types.settings, flags, none); break;
      case types.ping: this.#acknowledge(types.ping, flags, bytes.subarray(from, from + size)); break;
      case types.goaway: this.#goaway(bytes, from, size); break;
      case types.window: this.#grow(id, bytes.readUInt32BE(from)); break;
      default: break;
    }
  }

  #acknowledge(type: number, flags: number, payload: Buffer): void {
    if ((flags & flagAck) === 0) this.#socket.write(frame(type, flagAck, 0, payload));
  }

  /** Streams need no more than the window that they begin with. */
  #grow(id: number, bytes: number): void {
    if (id !== 0) return;
    this.#window += bytes & 0x7fffffff;
    this.#send();
  }

  #data(bytes: Buffer, from: number, size: number, flags: number, id: number): void {
    this.#consumed += size;
    if (this.#consumed >= connectionWindow / 2) {
      this.#socket.write(frame(types.window, 0, 0, uint32(this.#consumed)));
      this.#consumed = 0;
    }
    const stream = this.#streams.get(id);
    if (!stream) return;
    const padded = (flags & flagPadded) !== 0;
    const padding = padded ? (bytes[from] ?? 0) + 1 : 0;
    stream.parts.take(bytes, padded ? from + 1 : from, from + size - Math.max(0, padding - 1), stream.sink);
    stream.consumed += size;
    if ((flags & flagEnd) !== 0) this.#close(id, "the server ended the stream without a status", false);
    else if (stream.consumed >= streamWindow / 2) {
      this.#socket.write(frame(types.window, 0, id, uint32(stream.consumed)));
      stream.consumed = 0;
    }
  }

  #headers(flags: number, id: number): void {
    const stream = this.#streams.get(id);
    if (!stream) return;
    if ((flags & flagEnd) !== 0) this.#close(id, stream.opened ? "the server ended the stream" : "the server refused the call", stream.opened);
    else if (!stream.opened) {
      stream.opened = true;
      stream.sink.opened();
    }
  }

  /** Streams up to the last one that the server names go on. */
  #goaway(bytes: Buffer, from: number, size: number): void {
    const last = bytes.readUInt32BE(from) & 0x7fffffff;
    const text = bytes.toString("latin1", from + 8, from + size);
    for (const id of this.#streams.keys()) if (id > last) this.#close(id, `the server goes away: ${text}`, false);
  }

  #close(id: number, why: string, complete: boolean): void {
    const stream = this.#streams.get(id);
    if (!stream) return;
    this.#streams.delete(id);
    stream.parts.reset();
    if (this.#idle.length < maxIdle) this.#idle.push(stream.parts);
    stream.sink.ended(why, complete);
  }
}

/** OpenSSL's own word for what it refuses, where it is one of its errors: their messages are for its developers. */
function reasonOf(error: Error): string {
  return "reason" in error && typeof error.reason === "string" ? `TLS: ${error.reason}` : error.message;
}

function open(endpoint: Endpoint, shared: Buffer, read: (bytes: Buffer, length: number) => void): Socket {
  const { host, port, tls } = endpoint;
  if (!tls) {
    return connectTcp({ host, port, onread: { buffer: shared, callback: (length) => {
      read(shared, length);
      return true;
    } } });
  }
  const { ca, cert, key } = tls;
  const socket = connectTls({ host, port, ALPNProtocols: ["h2"], ...(ca === undefined ? {} : { ca }), ...(cert === undefined ? {} : { cert }), ...(key === undefined ? {} : { key }) });
  socket.on("data", (bytes: Buffer) => read(bytes, bytes.length));
  return socket;
}
