/** Answers calls beneath grpc-js, which costs more than a call that is answered at once (docs/performance.md). Whatever is out of the ordinary goes its usual way. */
import { constants } from "node:http2";
import type { IncomingHttpHeaders, OutgoingHttpHeaders, ServerHttp2Stream } from "node:http2";
import { EventEmitter } from "node:events";
import { status, type Server } from "@grpc/grpc-js";
import type { Clock } from "../../domain/clock.ts";
import type { MethodMetrics } from "../../metrics/rpc.ts";
import { prefixBytes, writePrefix } from "../state/frame.ts";

/** Answers a request at once; undefined if it can not, or if the answer is a failure: it has changed nothing then, and the call goes its usual way. Must not throw. */
export type AtOnce = (request: Buffer) => Buffer | undefined;

/** A method whose calls are answered at once where that can be. */
export interface AtOnceMethod {
  readonly path: string;
  readonly answer: AtOnce;
  readonly metrics: MethodMetrics;
}

/** What grpc-js has listening for streams. */
type Usual = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, ...more: unknown[]) => void;

/** How long a request may take after its headers, milliseconds. */
const lateMs = 10;
const wait = { waitForTrailers: true };
/** As grpc-js has them. */
const responseHeaders: OutgoingHttpHeaders = {
  [constants.HTTP2_HEADER_STATUS]: constants.HTTP_STATUS_OK,
  [constants.HTTP2_HEADER_CONTENT_TYPE]: "application/grpc+proto",
  "grpc-accept-encoding": "identity,deflate,gzip",
  "grpc-encoding": "identity",
};
const trailers: OutgoingHttpHeaders = { "grpc-status": status.OK, "grpc-message": "OK" };
const emptyFrame = Buffer.alloc(prefixBytes);

/**
 * Takes the calls of these methods from a server that is bound.
 * @returns false if this version of grpc-js does not let it: then all calls go their usual way.
 */
export function answerAtOnce(server: Server, methods: readonly AtOnceMethod[], clock: Clock): boolean {
  const byPath = new Map(methods.map((method) => [method.path, method]));
  // Keeps a connection from being taken for idle.
  const opened: unknown = Reflect.get(server, "onStreamOpened");
  const emitters = http2ServersOf(server);
  if (typeof opened !== "function" || emitters.length === 0 || emitters.some((emitter) => emitter.listenerCount("stream") !== 1)) return false;
  const late = new LateCalls(clock);
  for (const emitter of emitters) {
    const [listener = ignore] = emitter.listeners("stream");
    const usual: Usual = (...given) => void Reflect.apply(listener, emitter, given);
    emitter.removeAllListeners("stream");
    emitter.on("stream", (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, flags: number, ...more: unknown[]) => {
      const method = byPath.get(String(headers[constants.HTTP2_HEADER_PATH]));
      if (!method || !isOrdinary(headers, flags)) usual(stream, headers, flags, ...more);
      else late.add(new OpenCall(stream, method, clock, { answered: () => void Reflect.apply(opened, server, [stream]), usual: () => usual(stream, headers, flags, ...more), over: (call) => late.remove(call) }));
    });
  }
  return true;
}

/** grpc-js 1.14: a map with the servers as keys. */
function http2ServersOf(server: Server): EventEmitter[] {
  const servers: unknown = Reflect.get(server, "http2Servers");
  const keys: unknown[] = servers instanceof Map ? Array.from(servers.keys()) : [];
  return keys.filter((key): key is EventEmitter => key instanceof EventEmitter);
}

/** Has a body; is gRPC; has a deadline that is one, if any: it does not pass before an answer that is given at once. */
function isOrdinary(headers: IncomingHttpHeaders, flags: number): boolean {
  const timeout = headers["grpc-timeout"];
  return (flags & constants.NGHTTP2_FLAG_END_STREAM) === 0 && headers["content-type"]?.startsWith("application/grpc") === true && (timeout === undefined || (typeof timeout === "string" && /^\d{1,8}[HMSmun]$/.test(timeout)));
}

/** How a call goes on. */
interface Ways {
  readonly answered: () => void;
  readonly usual: () => void;
  readonly over: (call: OpenCall) => void;
}

/** A call whose request is being read. */
class OpenCall {
  readonly #stream: ServerHttp2Stream;
  readonly #method: AtOnceMethod;
  readonly #clock: Clock;
  readonly #ways: Ways;
  readonly #startedAt: number;
  readonly #onData = (chunk: Buffer): void => this.#data(chunk);
  readonly #onEnd = (): void => this.#complete();
  #body: Buffer | undefined;
  #over = false;

  constructor(stream: ServerHttp2Stream, method: AtOnceMethod, clock: Clock, ways: Ways) {
    this.#stream = stream;
    this.#method = method;
    this.#clock = clock;
    this.#ways = ways;
    this.#startedAt = clock.monotonic();
    stream.on("error", ignore);
    stream.on("data", this.#onData);
    stream.on("end", this.#onEnd);
  }

  /** It was answered, or has gone its usual way. */
  get over(): boolean {
    return this.#over;
  }

  /** The usual way, with what was read so far told again, unless it was answered. @param more of what came. */
  goUsual(...more: readonly Buffer[]): void {
    if (this.#over) return;
    this.#end();
    const stream = this.#stream;
    stream.off("data", this.#onData).off("end", this.#onEnd);
    // grpc-js would wait for the end of a stream that has had it.
    if (stream.destroyed || stream.closed) {
      this.#count(status.CANCELLED);
      return;
    }
    this.#ways.usual();
    for (const chunk of this.#body ? [this.#body, ...more] : more) stream.emit("data", chunk);
  }

  /** One message comes as one piece. */
  #data(chunk: Buffer): void {
    if (this.#body || !isMessage(chunk)) this.goUsual(chunk);
    else this.#body = chunk;
  }

  #end(): void {
    this.#over = true;
    this.#ways.over(this);
  }

  #complete(): void {
    if (!this.#answer()) {
      this.goUsual();
      this.#stream.emit("end");
    }
  }

  #answer(): boolean {
    const stream = this.#stream;
    const { answer: answerTo, metrics } = this.#method;
    if (!this.#body || stream.destroyed || stream.closed) return false;
    const answer = answerTo(this.#body.subarray(prefixBytes));
    if (!answer) return false;
    this.#end();
    this.#ways.answered();
    metrics.received.add();
    stream.respond(responseHeaders, wait);
    stream.once("wantTrailers", sendTrailers);
    stream.end(frameOf(answer));
    metrics.sent.add();
    this.#count(status.OK);
    return true;
  }

  #count(code: status): void {
    const { metrics } = this.#method;
    metrics.started.add();
    metrics.handled(code, (this.#clock.monotonic() - this.#startedAt) / 1000);
  }
}

/** Calls whose request is not there whole in a moment go their usual way, where their deadlines are kept. */
class LateCalls {
  readonly #clock: Clock;
  #new: OpenCall[] = [];
  readonly #late = new Set<OpenCall>();
  #cancel: (() => void) | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(call: OpenCall): void {
    if (this.#new.push(call) > 1) return;
    // What was read from the socket in one go has been told by then: that is almost all. One look for all calls of a turn.
    setImmediate(() => {
      for (const late of this.#new.splice(0)) if (!late.over) this.#wait(late);
    });
  }

  /** It is over: what was to wake up for it need not. */
  remove(call: OpenCall): void {
    if (!this.#late.delete(call) || this.#late.size > 0) return;
    this.#cancel?.();
    this.#cancel = undefined;
  }

  /** Some clients send headers and request by themselves. Bounded by the streams that connections may have open. */
  #wait(call: OpenCall): void {
    this.#late.add(call);
    this.#cancel ??= this.#clock.timer(lateMs, () => {
      this.#cancel = undefined;
      for (const late of Array.from(this.#late)) late.goUsual();
    });
  }
}

/** A whole message that is not compressed. */
function isMessage(chunk: Buffer): boolean {
  return chunk.length >= prefixBytes && chunk[0] === 0 && chunk.readUInt32BE(1) === chunk.length - prefixBytes;
}

function frameOf(answer: Buffer): Buffer {
  if (answer.length === 0) return emptyFrame;
  const frame = Buffer.allocUnsafe(prefixBytes + answer.length);
  writePrefix(frame, answer.length);
  answer.copy(frame, prefixBytes);
  return frame;
}

function sendTrailers(this: ServerHttp2Stream): void {
  this.sendTrailers(trailers);
}

/** A stream that fails is closed, which is all there is to know. */
function ignore(): void {}
