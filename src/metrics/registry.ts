/** Every metric of the daemon, in a registry of its own; the other parts record through the plain methods given here. */
import { Gauge, Registry, collectDefaultMetrics } from "prom-client";
import { describeMetrics } from "./description.ts";
import type { MetricDescription } from "./description.ts";
import { createLifecycleMetrics } from "./lifecycle.ts";
import type { LifecycleMetrics } from "./lifecycle.ts";
import { createKubeMetrics } from "./kube.ts";
import type { KubeMetrics } from "./kube.ts";
import { createCacheMetrics, createPipelineMetrics, createSubscriptionMetrics } from "./pipeline.ts";
import type { CacheMetrics, PipelineMetrics, SubscriptionMetrics } from "./pipeline.ts";
import { createRpcClientMetrics, createRpcMetrics } from "./rpc.ts";
import type { CallMetrics, RpcMetrics } from "./rpc.ts";
import { createRuntimeMetrics } from "./runtime.ts";
import type { RuntimeMetrics } from "./runtime.ts";
import { createShadowMetrics } from "./shadow.ts";
import type { ShadowMetrics } from "./shadow.ts";
import { createWorkspaceMetrics } from "./workspaces.ts";
import type { WorkspaceMetrics } from "./workspaces.ts";

/** All metrics (spec: metrics). Recording never throws and never waits. */
export interface Metrics {
  readonly rpc: RpcMetrics;
  /** Of our calls to node daemons and the image builder. */
  readonly rpcClient: CallMetrics;
  readonly workspaces: WorkspaceMetrics;
  readonly lifecycle: LifecycleMetrics;
  readonly pipeline: PipelineMetrics;
  readonly cache: CacheMetrics;
  readonly subscriptions: SubscriptionMetrics;
  readonly kube: KubeMetrics;
  readonly runtime: RuntimeMetrics;
  readonly shadow: ShadowMetrics;
  /**
   * Whether this replica leads, or how to find out at the moment of a scrape; followers report no workspaces. True until told otherwise, so of each that takes no part in an election.
   */
  leader(leads: boolean | (() => boolean)): void;
  /** The metrics in Prometheus' text format. */
  render(): Promise<string>;
  /** The text format's content type. */
  readonly contentType: string;
  /** What metrics there are. */
  describe(): readonly MetricDescription[];
}

/** Makes the metrics. `options.process` adds Node's own ones (memory, CPU, event loop, garbage collection), default true. */
export function createMetrics(options: { process?: boolean } = {}): Metrics {
  const registry = new Registry();
  if (options.process ?? true) collectDefaultMetrics({ register: registry });
  let told = true;
  let leads = (): boolean => true;
  registry.registerMetric(new Gauge({
    name: "wsmand_leader",
    help: "Whether this replica acts on workspaces and reports them; 1 in each that takes no part in an election.",
    registers: [],
    collect() {
      this.set(leads() ? 1 : 0);
    },
  }));
  return {
    rpc: createRpcMetrics(registry),
    rpcClient: createRpcClientMetrics(registry),
    workspaces: createWorkspaceMetrics(registry, () => told, () => leads()),
    lifecycle: createLifecycleMetrics(registry),
    pipeline: createPipelineMetrics(registry),
    cache: createCacheMetrics(registry),
    subscriptions: createSubscriptionMetrics(registry),
    kube: createKubeMetrics(registry),
    runtime: createRuntimeMetrics(registry, options.process ?? true),
    shadow: createShadowMetrics(registry),
    leader(now) {
      told = now !== false;
      leads = typeof now === "boolean" ? () => now : now;
    },
    render: () => registry.metrics(),
    contentType: registry.contentType,
    describe: () => describeMetrics(registry),
  };
}
