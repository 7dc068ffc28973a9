/** Listens to what the metrics are told, for the page that people look at: what was slow, who leads, when the watches were last heard of. The metrics themselves are as without it. */
import type { CallMetrics, GrpcType, MethodMetrics, RpcMetrics } from "./rpc.ts";
import type { KubeMetrics } from "./kube.ts";
import type { LifecycleMetrics, WorkspaceKind } from "./lifecycle.ts";
import type { PipelineMetrics } from "./pipeline.ts";
import type { Metrics } from "./registry.ts";
import type { SlowKind, SlowOperations } from "./slow-operations.ts";
import { typeLabel, type WorkspaceMetrics } from "./workspaces.ts";

/** Metrics that are listened to, and what was heard. */
export interface Overheard {
  /** To be used in place of those that were given. */
  readonly metrics: Metrics;
  /** As metric wsmand_leader has it. */
  leads(): boolean;
  /** Names of watches, and the seconds since each was last heard of; undefined: not yet. */
  watchAges(): readonly (readonly [name: string, seconds: number | undefined])[];
  /** How long workers were busy so far, all together, microseconds. */
  busyMicros(): number;
}

/** Listens to metrics. */
export function overhear(metrics: Metrics, slow: SlowOperations): Overheard {
  let leads = (): boolean => true;
  const ages = new Map<string, () => number | undefined>();
  let busyMicros = 0;
  metrics.runtime.onPause((kind, seconds) => slow.note("GC pause", seconds, () => kind));
  const heard: Metrics = {
    ...metrics,
    rpc: { ...metrics.rpc, method: methodsOf(metrics.rpc, "call", slow) },
    rpcClient: { ...metrics.rpcClient, method: methodsOf(metrics.rpcClient, "call of ours", slow) },
    workspaces: workspacesOf(metrics.workspaces, slow),
    lifecycle: lifecycleOf(metrics.lifecycle, slow),
    pipeline: pipelineOf(metrics.pipeline, slow, (micros) => (busyMicros += micros)),
    kube: kubeOf(metrics.kube, slow, ages),
    leader(now) {
      metrics.leader(now);
      leads = typeof now === "boolean" ? () => now : now;
    },
  };
  return {
    metrics: heard,
    leads: () => leads(),
    watchAges: () => [...ages].map(([name, read]) => [name, read()] as const),
    busyMicros: () => busyMicros,
  };
}

/** Always the same recorder for a method, as without. */
function methodsOf(metrics: RpcMetrics | CallMetrics, kind: SlowKind, slow: SlowOperations): CallMetrics["method"] {
  const known = new Map<MethodMetrics, MethodMetrics>();
  return (type: GrpcType, service, method) => {
    const inner = metrics.method(type, service, method);
    if (type !== "unary") return inner;
    const what = (): string => `${service}/${method}`;
    const outer = known.get(inner) ?? {
      ...inner,
      handled(code: number, seconds: number) {
        inner.handled(code, seconds);
        slow.note(kind, seconds, what);
      },
    };
    known.set(inner, outer);
    return outer;
  };
}

function workspacesOf(metrics: WorkspaceMetrics, slow: SlowOperations): WorkspaceMetrics {
  return {
    ...metrics,
    started(type, workspaceClass, seconds, id) {
      metrics.started(type, workspaceClass, seconds, id);
      slow.note("start", seconds, () => kindText({ type, workspaceClass }), id);
    },
  };
}

function lifecycleOf(metrics: LifecycleMetrics, slow: SlowOperations): LifecycleMetrics {
  const listen = (kind: SlowKind, tell: (of: WorkspaceKind, seconds: number) => void) => (of: WorkspaceKind, seconds: number): void => {
    tell(of, seconds);
    slow.note(kind, seconds, () => kindText(of), of.id);
  };
  return {
    ...metrics,
    initialized: listen("initialization", (of, seconds) => metrics.initialized(of, seconds)),
    finalized: listen("finalization", (of, seconds) => metrics.finalized(of, seconds)),
    volumeSnapshot: listen("volume snapshot", (of, seconds) => metrics.volumeSnapshot(of, seconds)),
    volumeRestored: listen("volume restore", (of, seconds) => metrics.volumeRestored(of, seconds)),
  };
}

function kindText({ type, workspaceClass }: WorkspaceKind): string {
  return `${typeLabel(type)}, class ${workspaceClass}`;
}

function pipelineOf(metrics: PipelineMetrics, slow: SlowOperations, busy: (micros: number) => void): PipelineMetrics {
  return {
    ...metrics,
    eventToPublish(seconds) {
      metrics.eventToPublish(seconds);
      slow.note("publication", seconds, () => "a change of a pod");
    },
    batch(lines, busyMicros) {
      metrics.batch(lines, busyMicros);
      busy(busyMicros);
      slow.note("batch", busyMicros / 1e6, () => `${lines} ${lines === 1 ? "line" : "lines"}`);
    },
  };
}

function kubeOf(metrics: KubeMetrics, slow: SlowOperations, ages: Map<string, () => number | undefined>): KubeMetrics {
  return {
    ...metrics,
    request(verb, resource, code, seconds) {
      metrics.request(verb, resource, code, seconds);
      slow.note("API request", seconds, () => `${verb} ${resource}: ${code}`);
    },
    throttled(verb, resource, seconds) {
      metrics.throttled(verb, resource, seconds);
      slow.note("API budget", seconds, () => `${verb} ${resource}`);
    },
    listed(resource, seconds, atMs) {
      metrics.listed(resource, seconds, atMs);
      slow.note("list", seconds, () => resource);
    },
    lastEventAge(resource, read) {
      metrics.lastEventAge(resource, read);
      ages.set(resource, read);
    },
  };
}
