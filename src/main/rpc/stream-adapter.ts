/** A gRPC server stream as the hub sees it: a subscriber's stream (spec: Subscribe). */
import type { ServerHttp2Stream } from "node:http2";
import { status } from "@grpc/grpc-js";
import type { ServerWritableStream } from "@grpc/grpc-js";
import type { Clock } from "../../domain/clock.ts";
import type { Tally } from "../../metrics/tally.ts";
import type { EndReason, SubscriberStream, Subscription } from "../subscriptions/stream.ts";
import { http2StreamOf, resetCall } from "./http2-stream.ts";
import type { CallStatus } from "./status.ts";
import type { TurnWrites } from "./turn-writes.ts";

/** A server stream whose messages are encoded already. */
export type FrameCall = ServerWritableStream<Buffer, Buffer>;

/** How long a client may take to read what is left when the server shuts down. */
export const flushTimeoutMs = 5000;

const statuses: Readonly<Record<EndReason, CallStatus>> = {
  shutdown: { code: status.UNAVAILABLE, details: "the server is shutting down: subscribe again" },
  unavailable: { code: status.UNAVAILABLE, details: "the current statuses can not be read at present: subscribe again" },
  stalled: { code: status.RESOURCE_EXHAUSTED, details: "no message was read for too long: subscribe again" },
  overflow: { code: status.RESOURCE_EXHAUSTED, details: "too many statuses are pending: read faster or subscribe to less" },
};

/** What an adapter needs beside its call. */
export interface AdapterOptions {
  readonly clock: Clock;
  /** Counts the messages, which pass the interceptors by. */
  readonly sent: Tally;
  /** What writes to all streams. */
  readonly writes: TurnWrites;
  /** Called once when the stream is gone. */
  readonly onClosed: () => void;
}

/**
 * Adapts one call whose metadata was sent. What waits in it is bounded by Node's 64 KiB for byte streams (or one frame, if larger) beside what
 * HTTP/2 flow control lets through; beyond that `write` says false. The subscription is told exactly once that the stream is gone, however it went.
 */
export class StreamAdapter implements SubscriberStream {
  readonly #call: FrameCall;
  readonly #stream: ServerHttp2Stream;
  readonly #options: AdapterOptions;
  #subscription: Subscription | undefined;
  #state: "open" | "ending" | "closed" = "open";
  #cancelFlush: (() => void) | undefined;

  constructor(call: FrameCall, options: AdapterOptions) {
    this.#call = call;
    this.#stream = http2StreamOf(call);
    this.#options = options;
    this.#stream.on("drain", () => this.#subscription?.drained());
    // Comes after a client's cancellation, a lost connection, a reset and a normal end alike; after errors as well, which say no more than that.
    this.#stream.once("close", () => this.#closed());
    this.#stream.on("error", () => {});
  }

  /** The client went before its request was read: nothing will be heard of the stream again. */
  get gone(): boolean {
    return this.#stream.destroyed;
  }

  /** Says which subscription the stream belongs to, once the hub has made it. */
  attach(subscription: Subscription): void {
    this.#subscription = subscription;
    if (this.#state === "closed") subscription.closed();
  }

  write(frame: Buffer): boolean {
    if (this.#state !== "open" || this.#stream.closed || !this.#stream.writable) return false;
    this.#options.sent.add();
    // Not call.write(): that would copy the bytes, which all streams share, and takes several times as long. The metadata was sent before.
    return this.#options.writes.write(this.#stream, frame);
  }

  end(reason: EndReason): void {
    if (this.#state !== "open") return;
    this.#state = "ending";
    if (reason !== "shutdown") {
      resetCall(this.#call, this.#stream, statuses[reason]);
      return;
    }
    this.#cancelFlush = this.#options.clock.timer(flushTimeoutMs, () => resetCall(this.#call, this.#stream, statuses.shutdown));
    this.#call.emit("error", { name: "Error", message: "", ...statuses.shutdown });
  }

  #closed(): void {
    this.#state = "closed";
    this.#cancelFlush?.();
    this.#options.onClosed();
    this.#subscription?.closed();
  }
}
