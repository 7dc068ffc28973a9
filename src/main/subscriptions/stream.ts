/** A subscriber's connection as the hub sees it; the RPC layer adapts a gRPC stream to it, tests bring their own. */

/** Why a stream is ended by us. `unavailable`: its initial state can not be had. */
export type EndReason = "shutdown" | "stalled" | "overflow" | "unavailable";

/** What a subscriber asks for beside its filter. */
export interface SubscribeOptions {
  /** Send the current status of every matching workspace first. */
  readonly initialState: boolean;
  /** The client's address, for metrics and logs. */
  readonly client: string;
}

/** The writing side of one subscriber's stream. */
export interface SubscriberStream {
  /**
   * Sends one frame (see state/frame.ts). False: the stream's buffer is full; the hub writes nothing more until `drained`
   * was called. Never throws.
   */
  write(frame: Buffer): boolean;
  /** The current statuses that were asked for, all of them, were written. */
  initialSent?(): void;
  /** Ends the stream: after what was written is flushed (shutdown), or at once although the client does not read (others). */
  end(reason: EndReason): void;
}

/** What the hub hands back for a stream; the RPC layer calls it. */
export interface Subscription {
  /** The stream can take more. */
  drained(): void;
  /** The stream is gone (cancelled, closed, ended): forget it. Idempotent. */
  closed(): void;
}
