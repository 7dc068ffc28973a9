/** What the RPC layer needs from the parts below it, as interfaces; the wiring gives the real ones. */
import type { Clock } from "../../domain/clock.ts";
import type { Log } from "../../domain/log.ts";
import type { RpcMetrics } from "../../metrics/rpc.ts";
import type { WorkspaceReader } from "../state/reader.ts";
import type { Filter } from "../state/filter.ts";
import type { SubscribeOptions, SubscriberStream, Subscription } from "../subscriptions/stream.ts";

/** Where streams subscribe. */
export interface SubscriptionHub {
  /**
   * From now on the stream gets the changes that match. It may write to the stream, or end it, before it returns.
   * Throws a WsmanError if it takes no more subscribers.
   */
  subscribe(filter: Filter, stream: SubscriberStream, options: SubscribeOptions): Subscription;
}

/** A workspace class of the configuration. */
export interface ClusterClass {
  readonly id: string;
  /** For people; the ID is shown where it is empty or missing. */
  readonly name?: string | undefined;
}

/** All that the calls work with. */
export interface RpcDependencies {
  readonly reader: WorkspaceReader;
  readonly hub: SubscriptionHub;
  readonly classes: readonly ClusterClass[];
  readonly metrics: RpcMetrics;
  readonly clock: Clock;
  readonly log: Log;
}
