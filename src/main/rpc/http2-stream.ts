/** Reaches the HTTP/2 stream beneath a grpc-js call: to write shared bytes to it, and to end it although its client does not read. */
import { constants } from "node:http2";
import type { ServerHttp2Stream } from "node:http2";
import { Duplex } from "node:stream";
import { status } from "@grpc/grpc-js";
import type { CallStatus } from "./status.ts";

/** grpc-js 1.14: surface call -> `call` (interceptors) -> `nextCall`, any number of them -> `stream`. */
const links = ["call", "nextCall"] as const;
const maxDepth = 8;

/** The HTTP/2 stream of a server-side call. Throws if grpc-js keeps it elsewhere by now. */
export function http2StreamOf(call: object): ServerHttp2Stream {
  for (const part of chain(call)) {
    const stream: unknown = Reflect.get(part, "stream");
    if (isHttp2Stream(stream)) return stream;
  }
  throw new Error("this version of grpc-js keeps a call's HTTP/2 stream where it was not looked for");
}

/**
 * Ends a call at once with a stream reset, whatever is waiting to be sent: that is dropped. gRPC clients read RESOURCE_EXHAUSTED out of
 * ENHANCE_YOUR_CALM, UNAVAILABLE out of REFUSED_STREAM and CANCELLED out of CANCEL; the status' text does not travel with a reset.
 */
export function resetCall(call: object, stream: ServerHttp2Stream, end: CallStatus): void {
  // The status goes through the interceptors, so that metrics tell why the call ended; it would wait behind the backlog, the reset does not.
  sendStatus(call, end);
  stream.close(resetCode(end.code));
}

function sendStatus(call: object, end: CallStatus): void {
  const intercepting: unknown = Reflect.get(call, "call");
  if (typeof intercepting !== "object" || intercepting === null) return;
  const send: unknown = Reflect.get(intercepting, "sendStatus");
  if (typeof send === "function") Reflect.apply(send, intercepting, [{ ...end, metadata: null }]);
}

function* chain(call: object): Generator<object> {
  let current: object = call;
  for (let depth = 0; depth < maxDepth; depth++) {
    yield current;
    const next: unknown = links.map((link): unknown => Reflect.get(current, link)).find((part) => typeof part === "object" && part !== null);
    if (typeof next !== "object" || next === null) return;
    current = next;
  }
}

function isHttp2Stream(value: unknown): value is ServerHttp2Stream {
  return value instanceof Duplex && "rstCode" in value && "sentHeaders" in value;
}

function resetCode(code: status): number {
  if (code === status.RESOURCE_EXHAUSTED) return constants.NGHTTP2_ENHANCE_YOUR_CALM;
  return code === status.UNAVAILABLE ? constants.NGHTTP2_REFUSED_STREAM : constants.NGHTTP2_CANCEL;
}
