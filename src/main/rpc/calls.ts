/** Wraps handlers for grpc-js: errors become statuses, no client is left hanging, cancellation becomes an AbortSignal. */
import { constants } from "node:http2";
import { status } from "@grpc/grpc-js";
import type { handleServerStreamingCall, handleUnaryCall } from "@grpc/grpc-js";
import { WsmanError, messageOf } from "../../domain/errors.ts";
import type { Log } from "../../domain/log.ts";
import { http2StreamOf } from "./http2-stream.ts";
import { toStatus } from "./status.ts";
import type { CallStatus } from "./status.ts";
import type { FrameCall } from "./stream-adapter.ts";

/** A unary call from below, for handlers whose answers are large. */
export interface AnsweredCall {
  /** Runs once, when the client has taken the answer or is gone; at once if it is gone already. */
  onClosed(run: () => void): void;
  /** Drops what the client has not taken. */
  reset(): void;
}

/** Handles a unary call: encoded request in, encoded response out. The signal aborts when the client cancels or its deadline passes. */
export type UnaryHandler = (request: Buffer, signal: AbortSignal, call: AnsweredCall) => Buffer | Promise<Buffer>;

/** Handles a server stream. */
export type StreamHandler = (call: FrameCall) => void;

/** A unary method for grpc-js. */
export function unary(method: string, handler: UnaryHandler, log: Log): handleUnaryCall<Buffer, Buffer> {
  const answer: (...args: Parameters<handleUnaryCall<Buffer, Buffer>>) => Promise<void> = async (call, callback) => {
    const controller = new AbortController();
    const abort = (): void => controller.abort();
    call.once("cancelled", abort);
    try {
      callback(null, await handler(call.request, controller.signal, answeredCall(call)));
    } catch (error) {
      callback(statusOf(method, error, log));
    } finally {
      call.off("cancelled", abort);
    }
  };
  return (call, callback) => void answer(call, callback);
}

function answeredCall(call: object): AnsweredCall {
  return {
    onClosed(run) {
      const stream = http2StreamOf(call);
      if (stream.closed) run();
      else stream.once("close", run);
    },
    reset: () => http2StreamOf(call).close(constants.NGHTTP2_ENHANCE_YOUR_CALM),
  };
}

/** A server streaming method for grpc-js. */
export function serverStream(method: string, handler: StreamHandler, log: Log): handleServerStreamingCall<Buffer, Buffer> {
  return (call) => {
    try {
      handler(call);
    } catch (error) {
      call.emit("error", { name: "Error", message: "", ...statusOf(method, error, log) });
    }
  };
}

/** A method that is not there yet. */
export function unimplemented(method: string): UnaryHandler {
  return () => {
    throw new WsmanError("UNIMPLEMENTED", `${method} is not implemented yet`);
  };
}

function statusOf(method: string, error: unknown, log: Log): CallStatus {
  const sent = toStatus(error);
  if (sent.code === status.INTERNAL) log.error({ method, error: messageOf(error), stack: error instanceof Error ? error.stack : undefined }, "call failed");
  return sent;
}
