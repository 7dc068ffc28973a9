/** Wraps handlers for grpc-js: errors become statuses, no client is left hanging, cancellation becomes an AbortSignal. */
import { constants } from "node:http2";
import { Metadata, status } from "@grpc/grpc-js";
import type { ServerUnaryCall, handleServerStreamingCall, handleUnaryCall, sendUnaryData } from "@grpc/grpc-js";
import { WsmanError, messageOf } from "../../domain/errors.ts";
import type { Log } from "../../domain/log.ts";
import type { Tally } from "../../metrics/tally.ts";
import type { PendingCalls } from "./pending-calls.ts";
import type { FramesAnswer } from "./frames-answer.ts";
import { http2StreamOf } from "./http2-stream.ts";
import { toStatus } from "./status.ts";
import type { CallStatus } from "./status.ts";
import type { FrameCall } from "./stream-adapter.ts";

/** The call that a handler answers. */
export interface UnaryCall {
  /** Aborts when the client cancels or its deadline passes. */
  readonly signal: AbortSignal;
  /** Who calls. */
  readonly peer: { readonly address: string; /** Of its certificate, as "CN=dashboard,O=gitpod"; undefined without one. */ readonly subject: string | undefined };
  /** Runs once, when the client has taken the answer or is gone; at once if it is gone already. */
  onClosed(run: () => void): void;
  /** Drops what the client has not taken. */
  reset(): void;
}

/** An encoded response, or a large one that is written in pieces. */
export type Answer = Buffer | FramesAnswer;

/** Handles a unary call: encoded request in, response out; at once where it can, for promises cost more than most answers. */
export type UnaryHandler = (request: Buffer, call: UnaryCall) => Answer | Promise<Answer>;

/** Says whether a call may go on: at once (nothing), later, or not at all (throws). */
export type Admission = (request: Buffer, call: Pick<UnaryCall, "signal">) => void | Promise<void>;

/** Handles a server stream. */
export type StreamHandler = (call: FrameCall) => void;

type GrpcCall = ServerUnaryCall<Buffer, Buffer>;
type Callback = sendUnaryData<Buffer>;

/** What a method needs beside its handler. */
export interface UnaryOptions {
  /** Counts the messages that pass the interceptors by. */
  readonly sent: Tally;
  readonly pending: PendingCalls;
  readonly log: Log;
}

/** A unary method for grpc-js. */
export function unary(method: string, handler: UnaryHandler, { sent, pending, log }: UnaryOptions): handleUnaryCall<Buffer, Buffer> {
  const respond = async (call: GrpcCall, callback: Callback, awaited: Answer | Promise<Answer>): Promise<void> => {
    try {
      const answer = awaited instanceof Promise ? await pending.outlast(awaited) : awaited;
      if (Buffer.isBuffer(answer)) callback(null, answer);
      // A stream that ended before had its status.
      else if (await write(call, answer, sent)) callback({ code: status.OK, details: "OK" });
    } catch (error) {
      callback(statusOf(method, error, log));
    }
  };
  return (call, callback) => {
    try {
      const answer = handler(call.request, new HandledCall(call));
      if (Buffer.isBuffer(answer)) callback(null, answer);
      else void respond(call, callback, answer);
    } catch (error) {
      callback(statusOf(method, error, log));
    }
  };
}

/** Writes to the stream itself: grpc-js would want the whole, and copy it. Gives whether all was written. */
async function write(call: GrpcCall, answer: FramesAnswer, sent: Tally): Promise<boolean> {
  const stream = http2StreamOf(call);
  if (stream.closed || !stream.writable) return false;
  call.sendMetadata(new Metadata());
  sent.add();
  return answer.writeTo(stream);
}

class HandledCall implements UnaryCall {
  readonly #call: GrpcCall;
  #signal: AbortSignal | undefined;

  constructor(call: GrpcCall) {
    this.#call = call;
  }

  /** Made when somebody asks: most calls are answered before. */
  get signal(): AbortSignal {
    this.#signal ??= signalOf(this.#call);
    return this.#signal;
  }

  get peer(): UnaryCall["peer"] {
    const subject = this.#call.getAuthContext().sslPeerCertificate?.subject;
    return { address: this.#call.getPeer(), subject: subject && Object.entries(subject).map(([name, value]) => `${name}=${String(value)}`).join(",") };
  }

  onClosed(run: () => void): void {
    const stream = http2StreamOf(this.#call);
    if (stream.closed) run();
    else stream.once("close", run);
  }

  reset(): void {
    http2StreamOf(this.#call).close(constants.NGHTTP2_ENHANCE_YOUR_CALM);
  }
}

/** What of a call tells that its client has cancelled it, or that its deadline has passed. */
export type Cancellable = Pick<GrpcCall, "cancelled"> & { once(event: "cancelled", listener: () => void): unknown };

/** Each call ends with this, good ones too: an abort without a reason would make an exception with its stack. */
const cancelled = new WsmanError("CANCELLED", "the call was cancelled");

/** Aborts with the call. */
export function signalOf(call: Cancellable): AbortSignal {
  const controller = new AbortController();
  if (call.cancelled) controller.abort(cancelled);
  else call.once("cancelled", () => controller.abort(cancelled));
  return controller.signal;
}

/** Goes on with a call as soon as it may; tells of whatever it, or going on, throws. */
export function whenAdmitted(admit: Admission | undefined, call: Cancellable & { readonly request: Buffer }, goOn: () => void, refuse: (error: unknown) => void): void {
  try {
    const admitted = admit?.(call.request, { get signal() { return signalOf(call); } });
    if (admitted) void admitted.then(goOn).catch(refuse);
    else goOn();
  } catch (error) {
    refuse(error);
  }
}

/** A server streaming method for grpc-js. */
export function serverStream(method: string, handler: StreamHandler, log: Log, admit?: Admission): handleServerStreamingCall<Buffer, Buffer> {
  return (call) => whenAdmitted(admit, call, () => handler(call), (error) => call.emit("error", { name: "Error", message: "", ...statusOf(method, error, log) }));
}

/** A method that this daemon does not serve, though it could. @param why for the client. */
export function refused(method: string, why: string): UnaryHandler {
  return () => {
    throw new WsmanError("FAILED_PRECONDITION", `${method} is refused: ${why}`);
  };
}

/** The status for what a handler threw; what nobody expected is logged. */
export function statusOf(method: string, error: unknown, log: Log): CallStatus {
  const sent = toStatus(error);
  if (sent.code === status.INTERNAL) log.error({ method, error: messageOf(error), stack: error instanceof Error ? error.stack : undefined }, "call failed");
  return sent;
}
