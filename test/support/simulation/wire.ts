/** One request and its answer between a replica and the built-in API server, in memory, with the delays and breaks of a network. */
import type { IncomingHttpHeaders, OutgoingHttpHeaders } from "node:http";
import type { HttpRequest, HttpResponse } from "../../../src/embedded/index.ts";
import type { CarriedRequest } from "../../../src/main/kube/client.ts";
import { KubeError } from "../../../src/main/kube/errors.ts";
import type { Exchange, Transport } from "../../../src/main/kube/http/exchange.ts";

/** What carries it. */
export interface Line {
  /** Does something a while later on the other side, after all that was put on this way before; never, if the line is silent until it breaks. */
  toServer(work: () => void): void;
  toClient(work: () => void): void;
  /** It is over on both sides. */
  done(): void;
}

/** An exchange over a line. Both sides see of the other what they would see of a connection. */
export class Wire implements Transport {
  readonly #exchange: Exchange;
  readonly #line: Line;
  readonly #now: () => number;
  readonly response: WireResponse;
  readonly request: HttpRequest;
  /** What has come to the client and is held. */
  readonly #inbox: (() => boolean)[] = [];
  #held = false;
  #over = false;

  constructor({ method, path, headers, body }: CarriedRequest, exchange: Exchange, line: Line, now: () => number) {
    this.#exchange = exchange;
    this.#line = line;
    this.#now = now;
    this.request = new WireRequest(method, path, headers, body);
    this.response = new WireResponse(this);
  }

  resume(): void {
    this.#held = false;
    this.#deliver();
  }

  /** The client wants no more. */
  abort(): void {
    if (this.#over) return;
    this.#over = true;
    this.#line.toServer(() => this.response.close());
    this.#line.done();
  }

  /** The connection breaks: the client learns of it now. */
  break(reason: string, what: string): void {
    this.#inbox.push(() => {
      this.#exchange.fail(new KubeError(`request to the API server failed: ${what}`, { status: 0, reason }));
      return false;
    });
    this.#deliver();
    this.response.close();
  }

  /** The client is gone, and can not be told anything. */
  drop(): void {
    this.#over = true;
    this.#inbox.length = 0;
    this.#line.toServer(() => this.response.close());
    this.#line.done();
  }

  /** Of the server's side. */
  head(status: number, headers: Readonly<Record<string, string>>): void {
    const all = { date: new Date(this.#now()).toUTCString(), ...headers };
    this.#send(() => {
      this.#exchange.begin({ status, headers: all });
      return false;
    });
  }

  data(chunk: Buffer, taken: () => void): void {
    this.#send(() => {
      taken();
      return this.#exchange.data(chunk);
    });
  }

  end(): void {
    this.#send(() => {
      this.#over = true;
      this.#exchange.end();
      this.#line.done();
      return false;
    });
  }

  reset(): void {
    this.#send(() => {
      this.#exchange.fail(new KubeError("request to the API server failed: read ECONNRESET", { status: 0, reason: "ECONNRESET" }));
      return false;
    });
  }

  #send(event: () => boolean): void {
    this.#line.toClient(() => {
      this.#inbox.push(event);
      this.#deliver();
    });
  }

  /** Hands over what has come, until the exchange holds it. */
  #deliver(): void {
    while (!this.#held && !this.#over) {
      const event = this.#inbox.shift();
      if (!event) return;
      this.#held = !event();
    }
  }
}

/** The request, as the server sees it: its body is there at once. */
class WireRequest implements HttpRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly complete = true;
  readonly #body: Buffer;
  #onData: (chunk: Buffer) => void = () => {};

  constructor(method: string, url: string, headers: Readonly<Record<string, string>>, body: Uint8Array | string | undefined) {
    this.method = method;
    this.url = url;
    this.headers = headers;
    this.#body = body === undefined ? Buffer.alloc(0) : Buffer.from(body);
  }

  on(_event: "data", listener: (chunk: Buffer) => void): this {
    this.#onData = listener;
    return this;
  }

  once(event: "end" | "close" | "error", listener: () => void): this {
    if (event !== "end") return this;
    queueMicrotask(() => {
      if (this.#body.length > 0) this.#onData(this.#body);
      listener();
    });
    return this;
  }

  resume(): this {
    return this;
  }
}

/** The answer, as the server sees it. */
class WireResponse implements HttpResponse {
  readonly #wire: Wire;
  readonly #headers: Record<string, string> = {};
  readonly #onClose: (() => void)[] = [];
  readonly socket = null;
  readonly writableNeedDrain = false;
  destroyed = false;
  headersSent = false;
  writableEnded = false;
  writableLength = 0;
  #corked: Buffer[] | undefined;

  constructor(wire: Wire) {
    this.#wire = wire;
  }

  once(event: "close" | "drain", listener: () => void): this {
    if (event === "close") this.#onClose.push(listener);
    return this;
  }

  off(event: "close" | "drain", listener: () => void): this {
    if (event === "close") this.#onClose.splice(0, this.#onClose.length, ...this.#onClose.filter((each) => each !== listener));
    return this;
  }

  setHeader(name: string, value: string): this {
    this.#headers[name] = value;
    return this;
  }

  writeHead(code: number, headers: OutgoingHttpHeaders): this {
    this.headersSent = true;
    for (const [name, value] of Object.entries(headers)) this.#headers[name] = String(value);
    if (!this.destroyed) this.#wire.head(code, this.#headers);
    return this;
  }

  flushHeaders(): void {}

  write(chunk: Buffer, done?: () => void): boolean {
    if (this.#corked) this.#corked.push(chunk);
    else this.#write([chunk]);
    // A reset may follow, behind what was written.
    if (done) queueMicrotask(done);
    return true;
  }

  end(chunk?: Buffer): this {
    if (chunk) this.#write([...(this.#corked ?? []), chunk]);
    this.#corked = undefined;
    this.writableEnded = true;
    if (!this.destroyed) this.#wire.end();
    this.close();
    return this;
  }

  cork(): void {
    this.#corked ??= [];
  }

  uncork(): void {
    const parts = this.#corked ?? [];
    this.#corked = undefined;
    this.#write(parts);
  }

  destroy(): this {
    if (!this.destroyed && !this.writableEnded) this.#wire.reset();
    this.close();
    return this;
  }

  /** The connection is gone, or has done its work. */
  close(): void {
    if (this.destroyed) return;
    this.destroyed = true;
    for (const listener of this.#onClose.splice(0)) listener();
  }

  #write(parts: readonly Buffer[]): void {
    const [first] = parts;
    if (this.destroyed || first === undefined) return;
    const chunk = parts.length === 1 ? first : Buffer.concat(parts);
    this.writableLength += chunk.length;
    this.#wire.data(chunk, () => {
      this.writableLength -= chunk.length;
    });
  }
}
