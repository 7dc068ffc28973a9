/** Reaches the HTTP/2 stream beneath a grpc-js call: the only way to end a call whose client does not read. */
import { constants } from "node:http2";
import type { ServerHttp2Stream } from "node:http2";
import { Duplex } from "node:stream";
import { status } from "@grpc/grpc-js";
import type { CallStatus } from "./status.ts";

/** grpc-js 1.14: surface call -> `call` (interceptors) -> `nextCall`, any number of them -> `stream`. */
const links = ["call", "nextCall"] as const;
const maxDepth = 8;

/**
 * Ends a call at once with a stream reset, whatever is waiting to be sent: that is dropped. gRPC clients read RESOURCE_EXHAUSTED out of
 * ENHANCE_YOUR_CALM, UNAVAILABLE out of REFUSED_STREAM and CANCELLED out of CANCEL; the status' text does not travel with a reset.
 * @returns false if the HTTP/2 stream was not found, and nothing was done.
 */
export function resetCall(call: object, end: CallStatus): boolean {
  const stream = http2StreamOf(call);
  if (!stream) return false;
  // The status goes through the interceptors, so that metrics tell why the call ended; it would wait behind the backlog, the reset does not.
  sendStatus(call, end);
  stream.close(resetCode(end.code));
  return true;
}

/** The HTTP/2 stream of a server-side call; undefined if grpc-js keeps it elsewhere by now. */
export function http2StreamOf(call: object): ServerHttp2Stream | undefined {
  for (const part of chain(call)) {
    const stream: unknown = Reflect.get(part, "stream");
    if (isHttp2Stream(stream)) return stream;
  }
  return undefined;
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
