/** What the RPC layer needs from the parts below it, as interfaces; the wiring gives the real ones. */
import type { Clock } from "../../domain/clock.ts";
import type { Log } from "../../domain/log.ts";
import type { CallMetrics, RpcMetrics } from "../../metrics/rpc.ts";
import type { ManagerConfig, RateLimit } from "../config/types.ts";
import type { Activity } from "../lifecycle/activity.ts";
import type { ImageSpecs } from "../lifecycle/image-specs.ts";
import type { Snapshots } from "../lifecycle/snapshots.ts";
import type { Starter } from "../lifecycle/start.ts";
import type { WorkspaceWriter } from "../lifecycle/writer.ts";
import type { NodeDaemonClient } from "../wsdaemon/client.ts";
import type { Tracing } from "../tracing/tracing.ts";
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

/** From what the URLs of ports are made. */
export type UrlConfig = Pick<ManagerConfig, "portUrlTemplate" | "hostURL">;

/** What the calls that change something, or read more than the state, work with. */
export interface Steering {
  readonly writer: Pick<WorkspaceWriter, "find" | "annotate" | "change">;
  readonly activity: Pick<Activity, "mark" | "markAtOnce">;
  readonly starter: Pick<Starter, "start" | "arrival">;
  readonly snapshots: Pick<Snapshots, "delete">;
  readonly nodes: Pick<NodeDaemonClient, "takeSnapshot" | "backup">;
  readonly urls: UrlConfig;
  readonly imageSpecs: Pick<ImageSpecs, "get">;
}

/** The same, and what tells whether the state is known at all. */
export type CallDependencies = Steering & Pick<RpcDependencies, "reader">;

/** All that the calls work with. */
export interface RpcDependencies {
  readonly reader: WorkspaceReader;
  readonly hub: SubscriptionHub;
  readonly classes: readonly ClusterClass[];
  readonly steering: Steering;
  /** Why all calls that change something are refused; undefined: they are served. */
  readonly refusal?: string | undefined;
  /** Limits of methods; none by default. */
  readonly rateLimits?: readonly RateLimit[];
  /** "host:port" of the image builder that its calls are passed on to, and their metrics; undefined: they are not served. */
  readonly imageBuilder?: { readonly target: string; readonly metrics: CallMetrics } | undefined;
  /** Undefined: off. */
  readonly tracing?: Tracing | undefined;
  readonly metrics: RpcMetrics;
  readonly clock: Clock;
  readonly log: Log;
}
