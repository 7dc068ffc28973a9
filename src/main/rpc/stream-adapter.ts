/** A gRPC server stream as the hub sees it: a subscriber's stream (spec: Subscribe). */
import { status } from "@grpc/grpc-js";
import type { ServerWritableStream } from "@grpc/grpc-js";
import type { Clock } from "../../domain/clock.ts";
import type { Log } from "../../domain/log.ts";
import type { EndReason, SubscriberStream, Subscription } from "../subscriptions/stream.ts";
import { resetCall } from "./http2-stream.ts";
import type { CallStatus } from "./status.ts";

/** A server stream whose messages are encoded already. */
export type FrameCall = ServerWritableStream<Buffer, Buffer>;

/** How long a client may take to read what is left when the server shuts down. */
export const flushTimeoutMs = 5000;

const statuses: Readonly<Record<EndReason, CallStatus>> = {
  shutdown: { code: status.UNAVAILABLE, details: "the server is shutting down: subscribe again" },
  stalled: { code: status.RESOURCE_EXHAUSTED, details: "no message was read for too long: subscribe again" },
  overflow: { code: status.RESOURCE_EXHAUSTED, details: "too many statuses are pending: read faster or subscribe to less" },
};

/**
 * Adapts one call. At most 16 frames (grpc-js's limit for streams of messages) wait in it beside what HTTP/2 flow control lets through;
 * beyond that `write` says false. The subscription is told exactly once that the stream is gone, however it went.
 */
export class StreamAdapter implements SubscriberStream {
  readonly #call: FrameCall;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #onClosed: () => void;
  #subscription: Subscription | undefined;
  #state: "open" | "ending" | "closed" = "open";
  #cancelFlush: (() => void) | undefined;

  /** @param onClosed called once when the stream is gone. */
  constructor(call: FrameCall, clock: Clock, log: Log, onClosed: () => void) {
    this.#call = call;
    this.#clock = clock;
    this.#log = log;
    this.#onClosed = onClosed;
    call.on("drain", () => this.#subscription?.drained());
    // After a client cancels, neither 'drain' nor write callbacks come: only these two, in this order, and both also after a normal end.
    call.once("cancelled", () => this.#closed());
    call.once("close", () => this.#closed());
    if (call.cancelled) this.#closed();
  }

  /** Says which subscription the stream belongs to, once the hub has made it. */
  attach(subscription: Subscription): void {
    this.#subscription = subscription;
    if (this.#state === "closed") subscription.closed();
  }

  write(frame: Buffer): boolean {
    return this.#state === "open" && this.#call.write(frame);
  }

  end(reason: EndReason): void {
    if (this.#state !== "open") return;
    this.#state = "ending";
    if (reason !== "shutdown") {
      this.#reset(statuses[reason]);
      return;
    }
    this.#cancelFlush = this.#clock.timer(flushTimeoutMs, () => this.#reset(statuses.shutdown));
    this.#call.emit("error", { name: "Error", message: "", ...statuses.shutdown });
  }

  #reset(end: CallStatus): void {
    if (resetCall(this.#call, end)) return;
    this.#log.error({ client: this.#call.getPeer() }, "the HTTP/2 stream of a subscriber was not found: it ends when its client reads");
    this.#call.emit("error", { name: "Error", message: "", ...end });
    this.#closed();
  }

  #closed(): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#cancelFlush?.();
    this.#onClosed();
    this.#subscription?.closed();
  }
}
