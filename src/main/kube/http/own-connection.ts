/** Requests whose answer has no end, or a late one (watches and lists), each over a connection of its own that is read into memory used again. */
import { connect as connectTcp, isIP, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { Clock } from "../../../domain/clock.ts";
import type { Access } from "../credentials.ts";
import { KubeError, toKubeError } from "../errors.ts";
import type { Exchange, ResponseHead, Transport } from "./exchange.ts";
import { ResponseDecoder } from "./response-decoder.ts";

/** Memory that a socket is read into, bytes. */
const readBytes = 128 * 1024;
/** What is left of it is read into while the rest is held, if it is so much: OpenSSL hands out records, of 16 KiB at most. */
const minReadBytes = 16 * 1024;
/**
 * Bytes that are read before the event loop gets its turn. libuv reads a socket that is full again and again, 32 times, before it looks at anything else: 4 MiB, in which workers
 * would run out of work and streams stand still.
 */
const turnBytes = 512 * 1024;
/** How long making the connection may take, milliseconds. */
const connectMs = 10_000;
/** TCP keep-alive finds a peer that is gone within half a minute, also where nothing is expected to arrive. Milliseconds. */
const keepAliveMs = 15_000;

/** What was read and not decoded yet: from `at` to `end`. */
interface Read {
  readonly memory: Buffer;
  at: number;
  readonly end: number;
}

/** A GET. */
export interface StreamRequest {
  /** With its query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * `onread` of node:net rather than a stream: the kernel (or OpenSSL) writes into one buffer that is ours, again and again, and the decoder hands out views of it.
 * undici, with a new buffer for each read and two copies in its parser, takes three times as long for a line of 20 kB.
 */
export class OwnConnection implements Transport {
  readonly #exchange: Exchange;
  readonly #socket: Socket;
  readonly #decoder: ResponseDecoder;
  readonly #cancelConnect: () => void;
  #onDone: (() => void) | undefined;
  /** What the next read goes to, from #start. */
  #memory: Buffer = Buffer.allocUnsafeSlow(readBytes);
  #start = 0;
  #spare: Buffer | undefined;
  /** Reads that wait: the one that is decoded, and what TLS had decrypted already when the socket was paused, which is one read of the socket at most. */
  readonly #reads: Read[] = [];
  /** Nothing is decoded: the answer's head or one of its chunks is held. */
  #held = false;
  /** Bytes read since the event loop had its turn last. */
  #turn = 0;
  /** The peer has said all it will; the socket is closed; the exchange is over. */
  #closed = false;
  #gone = false;
  #over = false;

  /**
   * Connects and sends the request; whatever becomes of it, the exchange is told. @param onDone called once, when the connection is closed and the exchange is over.
   * @throws KubeError if the request can not be sent as it is.
   */
  static open(access: Access, request: StreamRequest, exchange: Exchange, clock: Clock, onDone: () => void): void {
    exchange.attach(new OwnConnection(access, request, exchange, clock, onDone));
  }

  private constructor(access: Access, request: StreamRequest, exchange: Exchange, clock: Clock, onDone: () => void) {
    const head = requestHead(access, request);
    this.#exchange = exchange;
    this.#onDone = onDone;
    this.#decoder = new ResponseDecoder({ head: (head) => this.#head(head), data: (part) => this.#data(part) });
    this.#socket = connect(access, { buffer: () => this.#nextMemory(), callback: (length) => this.#read(length) });
    this.#socket.on("error", (error) => exchange.fail(toKubeError(error)));
    // Not by an option: tls.connect takes none of that name.
    this.#socket.once("connect", () => this.#socket.setKeepAlive(true, keepAliveMs));
    this.#socket.on("end", () => this.#onClosed());
    this.#socket.on("close", () => {
      this.#gone = true;
      this.#onClosed();
      this.#doneIfOver();
    });
    this.#cancelConnect = clock.timer(connectMs, () => exchange.fail(new KubeError(`no connection to the API server within ${connectMs} ms`, { status: 0, reason: "Timeout" })));
    this.#socket.once(access.origin.startsWith("https:") ? "secureConnect" : "connect", this.#cancelConnect);
    this.#socket.write(head, "latin1");
  }

  resume(): void {
    this.#held = false;
    this.#decode();
    if (!this.#held && !this.#over && this.#turn < turnBytes) this.#socket.resume();
  }

  abort(): void {
    this.#over = true;
    this.#cancelConnect();
    this.#socket.destroy();
    this.#doneIfOver();
  }

  /** Called after each read, for the next one. Where the last one is held, the next goes behind it, or elsewhere. */
  #nextMemory(): Buffer {
    const last = this.#reads.at(-1);
    this.#start = last?.end ?? 0;
    if (this.#start === 0) return this.#memory;
    if (readBytes - this.#start >= minReadBytes) return this.#memory.subarray(this.#start);
    this.#memory = this.#spare ?? Buffer.allocUnsafeSlow(readBytes);
    this.#spare = undefined;
    this.#start = 0;
    return this.#memory;
  }

  /** @returns whether to go on reading. */
  #read(length: number): boolean {
    if (this.#over) return false;
    this.#reads.push({ memory: this.#memory, at: this.#start, end: this.#start + length });
    this.#decode();
    if (this.#turn === 0) setImmediate(() => this.#nextTurn());
    this.#turn += length;
    return !this.#held && this.#turn < turnBytes;
  }

  #nextTurn(): void {
    const paused = this.#turn >= turnBytes;
    this.#turn = 0;
    if (paused && !this.#held && !this.#over) this.#socket.resume();
  }

  #decode(): void {
    try {
      for (let read = this.#next(); read; read = this.#next()) read.at = this.#decoder.push(read.memory, read.at, read.end);
      if (this.#held || this.#over) return;
      if (this.#closed) this.#decoder.finish();
      if (!this.#decoder.done) return;
    } catch (error) {
      this.#exchange.fail(toKubeError(error));
      return;
    }
    this.abort();
    this.#exchange.end();
  }

  /** What is to be decoded now; memory that was decoded, and is not held, is free for reads to come. */
  #next(): Read | undefined {
    if (this.#held || this.#over || this.#decoder.done) return undefined;
    for (let read = this.#reads[0]; read; read = this.#reads[0]) {
      if (read.at < read.end) return read;
      this.#reads.shift();
      if (read.memory !== this.#memory) this.#spare = read.memory;
    }
    return undefined;
  }

  #head(head: ResponseHead): void {
    this.#held = true;
    this.#exchange.begin(head);
  }

  #data(part: Buffer): boolean {
    if (this.#exchange.data(part)) return true;
    this.#held = true;
    return false;
  }

  /** The peer has said all it will. */
  #onClosed(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#decode();
  }

  /** Not before both: a consumer may hold back what came before the connection was closed, and TLS may deliver until then. */
  #doneIfOver(): void {
    if (!this.#over || !this.#gone) return;
    this.#reads.length = 0;
    this.#onDone?.();
    this.#onDone = undefined;
  }
}

/** How node:net reads into memory of ours. */
interface Reading {
  readonly buffer: () => Buffer;
  readonly callback: (length: number) => boolean;
}

function connect({ origin, tls }: Access, onread: Reading): Socket {
  const url = new URL(origin);
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const options = { host, port: Number(url.port || (url.protocol === "https:" ? 443 : 80)), onread };
  if (url.protocol === "http:") return connectTcp(options);
  // Types do not have it, but tls.connect takes onread as node:net does; test/unit/kube/own-connection.test.ts holds it to that.
  const secure = { ALPNProtocols: ["http/1.1"], ...(isIP(host) === 0 ? { servername: host } : {}), ...options, ...tls };
  return connectTls(secure);
}

/** Throws a KubeError for headers that can not be sent, without naming their values. */
function requestHead({ origin }: Access, { path, headers }: StreamRequest): string {
  if (!/^[\x21-\x7e]+$/.test(path)) throw new KubeError("path for the API server is not encoded", { status: 0, reason: "Path", retryable: false });
  const lines = [`GET ${path} HTTP/1.1`, `host: ${new URL(origin).host}`, "connection: close"];
  for (const [name, value] of Object.entries(headers)) {
    if (/[^\t\x20-\x7e\x80-\xff]/.test(value)) throw new KubeError(`header ${name} for the API server holds characters that can not be sent`, { status: 0, reason: "Credentials" });
    lines.push(`${name}: ${value}`);
  }
  return `${lines.join("\r\n")}\r\n\r\n`;
}
