/** The daemon put together: builds all parts of the daemon, starts them in order and stops them in reverse. */
import type { Worker } from "node:worker_threads";
import { Countdown, sleep, type Clock } from "../domain/clock.ts";
import { messageOf } from "../domain/errors.ts";
import type { Log } from "../domain/log.ts";
import type { DeriveConfig } from "../domain/messages.ts";
import { eventReasons, workspaceSelector } from "../domain/names.ts";
import type { ManagerConfig, RateLimit, StorageConfig } from "./config/types.ts";
import { buildCore, steeringOf, type Core } from "./core.ts";
import type { Metrics } from "../metrics/registry.ts";
import { startHttp, startProfiling, watchedMetrics } from "./http.ts";
import type { ProfilingOptions } from "./http/profiling-server.ts";
import type { ClientHooks, KubeClient } from "./kube/client.ts";
import { eventWatchLimits } from "./kube/events.ts";
import type { ReflectorLimits } from "./kube/limits.ts";
import { Reflector } from "./kube/reflector.ts";
import type { ReflectorSink } from "./kube/sink.ts";
import { startActing } from "./lead.ts";
import type { LeaderOptions } from "./lifecycle/leader.ts";
import { startPool, type WorkerPool } from "./pipeline/pool.ts";
import type { Surroundings } from "./surroundings.ts";
import type { RpcDependencies } from "./rpc/ports.ts";
import { startRpcServer, type RpcServer } from "./rpc/server.ts";
import type { TlsFiles } from "./rpc/tls.ts";
import type { CacheLimits } from "./state/cache.ts";
import { VersionClock } from "./state/version.ts";
import { TraceLog } from "./trace-log.ts";
import type { Tracing } from "./tracing/tracing.ts";
import type { Connection } from "./cli/connection.ts";
import { shadowRefusal, silenced } from "./shadow/silence.ts";
import type { Hub, HubLimits } from "./subscriptions/hub.ts";
import { nodeDaemonSelector } from "./wsdaemon/nodes.ts";

/** All that the daemon depends on, in plain values; the command line makes it from the configuration. */
export interface DaemonOptions {
  readonly namespace: string;
  readonly rpc: { readonly addr: string; readonly tls: TlsFiles | undefined };
  /** Where /metrics and the health endpoints are served; undefined: nowhere. */
  readonly metricsAddr: string | undefined;
  /** Undefined: no profiles are served. */
  readonly profiling?: ProfilingOptions | undefined;
  readonly workers: number;
  readonly derive: DeriveConfig;
  readonly cache: CacheLimits;
  readonly subscriptions: HubLimits;
  readonly drainTimeoutMs: number;
  readonly rateLimits: readonly RateLimit[];
  /** Whether it acts on workspaces by itself: brings them up, times them out, backs them up, takes them down. */
  readonly lifecycle: boolean;
  /** Which of several replicas does. */
  readonly leaderElection: Pick<LeaderOptions, "enabled" | "leaseDurationMs" | "renewDeadlineMs" | "retryPeriodMs" | "identity">;
  /** Kubernetes Events about what it does; `instance` says which of the replicas wrote one. */
  readonly events: { readonly enabled: boolean; readonly instance: string };
  /** "host:port" that calls of the image builder are passed on to; undefined: they are not served. */
  readonly imageBuilder: string | undefined;
  /** Undefined: off. Closed by the daemon. */
  readonly tracing: Tracing | undefined;
  /** Section `manager`: what new workspaces are made of. */
  readonly manager: ManagerConfig;
  /** Section `content.storage`; undefined: there is no storage. */
  readonly storage?: StorageConfig | undefined;
  /** Set seccomp profiles in the security context of new pods as well. */
  readonly seccompField: boolean;
  /** Requests per second to the API server beside watches and lists, and at once after a pause. */
  readonly kubernetes: { readonly qps: number; readonly burst: number };
  /** A workspace's activity is written to its pod at most once in this time, milliseconds. */
  readonly persistIntervalMs: number;
  /** Makes the client for the API server, with the hooks given here. */
  readonly connect: (hooks: ClientHooks) => KubeClient;
  readonly clock: Clock;
  /** Numbers in [0, 1), for jitter. */
  readonly random: () => number;
  readonly log: Log;
  /** Default: threads, ports and sources of this machine. */
  readonly surroundings?: Surroundings | undefined;
  /**
   * It computes everything and writes nothing, whatever the other options say: not to the cluster, not to node daemons; calls that would change something are refused. `compare`: its statuses are
   * compared with those of another manager, of each workspace once neither has changed for `settleMs`, milliseconds. Undefined: an ordinary daemon.
   */
  readonly shadow?: { readonly compare?: Connection | undefined; readonly settleMs: number } | undefined;
}

/** A daemon that runs. */
export interface Daemon {
  readonly rpcPort: number;
  readonly metricsPort: number | undefined;
  /** Undefined: no profiles are served. */
  readonly profilingPort?: number | undefined;
  /** Resolves once the first complete list was applied. */
  readonly synced: Promise<void>;
  /** Ends streams after flushing, then everything else; within drainTimeout. Idempotent. */
  close(): Promise<void>;
}

/**
 * Starts everything; serves as soon as it resolves, and is ready once synced.
 * @throws Error if an address can not be bound, TLS files can not be used, or workers do not start: nothing is left running then.
 */
export async function assembleDaemon(options: DaemonOptions): Promise<Daemon> {
  const cleanup: (() => Promise<void> | void)[] = [];
  try {
    return await assemble(options.shadow ? silenced(options) : options, cleanup);
  } catch (error) {
    await unwind(cleanup, options.log);
    throw error;
  }
}

async function assemble(options: DaemonOptions, cleanup: (() => Promise<void> | void)[]): Promise<Daemon> {
  const { clock, log, surroundings } = options;
  const watched = watchedMetrics(options);
  const { metrics } = watched;
  surroundings?.metrics?.(metrics);
  const versions = new VersionClock(clock, () => metrics.workspaces.clockRanBackwards());
  const client = options.connect({
    onRequest: (request) => {
      metrics.kube.request(request.verb, request.resource, request.code, request.seconds);
      options.tracing?.requested(request);
    },
    observe: (dateMs) => versions.observe(dateMs),
  });
  const drain = new Countdown(clock, options.drainTimeoutMs);
  cleanup.push(() => options.tracing?.close(Math.min(flushMs, drain.leftMs)));
  cleanup.push(() => client.close());
  const { pool, threads } = await startWorkers(options);
  cleanup.push(() => pool.close());

  const ending = new AbortController();
  const { eventTraceLog } = options.manager;
  const trace = eventTraceLog ? await TraceLog.open({ target: eventTraceLog, clock, log }) : undefined;
  cleanup.push(() => trace?.close());
  const shadow = options.shadow && new (await import("./shadow/shadow.ts")).Shadow(options, options.shadow, metrics);
  const core = buildCore(options, metrics, versions, client, pool, { trace, shadow });
  cleanup.push(() => core.pipeline.close());
  cleanup.push(() => core.rereader.close());
  cleanup.push(() => core.hub.shutdown(0));
  cleanup.push(() => core.vacancies.close());
  cleanup.push(() => core.recorder.close(Math.min(eventsLastMs, drain.leftMs / 2)));
  cleanup.push(() => core.nodes.close());
  cleanup.push(() => core.storage?.close());
  // Before the client closes, after the last call.
  cleanup.push(() => lastWrites(core, Math.min(flushMs, drain.leftMs / 2)));
  const election = { holder: () => "" };
  const http = await startHttp(options, core, { watched, threads, leaseHolder: () => election.holder(), ending: ending.signal });
  // Served until the drain is over, so that it can be watched.
  cleanup.push(() => http?.close());
  const profiling = await startProfiling(options, threads);
  cleanup.push(() => profiling?.close());
  const rpc = await (surroundings?.serve ?? ((dependencies) => startRpcServer(options.rpc, dependencies)))(rpcDependencies(options, metrics, core));
  // The hub ends the streams first, after flushing; then the server takes no more calls.
  cleanup.push(() => closeRpc(core.hub, rpc, drain));
  const watching = watch(options, metrics, client, core);
  cleanup.push(() => watching.stop());
  const acting = startActing(options, metrics, core, watching, Math.min(flushMs, options.drainTimeoutMs / 4));
  // Last begun, first ended: while it ends its work, everything else goes on.
  cleanup.push(() => acting.stop());
  election.holder = () => acting.holder;
  shadow?.start(core.hub, watching.synced);
  cleanup.push(() => shadow?.stop());
  const synced = watching.synced.then(() => rpc.setServing(!ending.signal.aborted));
  const close = (): Promise<void> => {
    drain.begin();
    ending.abort();
    rpc.setServing(false);
    return unwind(cleanup, log);
  };
  let closed: Promise<void> | undefined;
  return {
    rpcPort: rpc.port,
    metricsPort: http?.port,
    profilingPort: profiling?.port,
    synced,
    close: () => (closed ??= close()),
  };
}

async function startWorkers({ surroundings, workers, derive, log }: DaemonOptions): Promise<{ readonly pool: WorkerPool; readonly threads: () => readonly Worker[] }> {
  if (surroundings) return { pool: surroundings.pool, threads: () => [] };
  const pool = await startPool({ workers, derive, log });
  return { pool, threads: () => pool.threads };
}

function rpcDependencies(options: DaemonOptions, metrics: Metrics, core: Core): RpcDependencies {
  const { manager, rateLimits, tracing, shadow, clock, log } = options;
  const imageBuilder = options.imageBuilder === undefined ? undefined : { target: options.imageBuilder, metrics: metrics.rpcClient };
  return { reader: core.workspaces, hub: core.hub, classes: manager.workspaceClasses, steering: steeringOf(options, core), refusal: shadow && shadowRefusal, rateLimits, imageBuilder, tracing, metrics: metrics.rpc, clock, log };
}

/** Pods are listed once the Events are known, so that no status is told without them first; but not later than this, milliseconds. */
const eventsFirstMs = 5_000;

/** At the end, Events that wait are written for so long, milliseconds. */
const eventsLastMs = 1_000;

/** How long the list of node daemons is waited for before workspaces are acted on, milliseconds: without it they are tried again later. */
const nodesFirstMs = 5_000;

/** The watches. */
interface Watching {
  /** Resolves once the first complete list of pods was applied. */
  readonly synced: Promise<void>;
  /** Resolves once the node daemons are known, or were waited for long enough. */
  readonly nodesKnown: Promise<void>;
  stop(): Promise<void>;
}

/** Starts the watches of pods and of the Events that the status needs. */
function watch(options: DaemonOptions, metrics: Metrics, client: KubeClient, core: Core): Watching {
  const { clock, random, log, surroundings } = options;
  const stopping = new AbortController();
  const runs: Promise<void>[] = [];
  /** Resolves after its first complete list. */
  const start = (resource: string, name: string, sink: ReflectorSink, selectors: { labelSelector?: string; fieldSelector?: string; limits?: Partial<ReflectorLimits> }): Promise<void> => {
    const { promise: synced, resolve: onSynced } = Promise.withResolvers<void>();
    const reflector = new Reflector({
      client,
      path: `/api/v1/namespaces/${encodeURIComponent(options.namespace)}/${resource}`,
      ...selectors,
      limits: { ...selectors.limits, ...surroundings?.watches },
      sink,
      clock,
      random,
      log,
      hooks: {
        onSynced,
        onListed: (seconds) => metrics.kube.listed(name, seconds, clock.now()),
        onRelist: (reason) => metrics.kube.relisted(name, reason),
        onWatchRestart: (reason) => metrics.kube.watchRestarted(name, reason),
      },
    });
    metrics.kube.lastEventAge(name, () => reflector.lastEventAgeSeconds);
    runs.push(reflector.run(stopping.signal));
    return synced;
  };
  const events = eventReasons.map((reason) => start("events", `events/${reason}`, core.events.sinkFor(reason), { fieldSelector: `involvedObject.kind=Pod,reason=${reason}`, limits: eventWatchLimits }));
  // No call waits for it: without it one that needs a node daemon is told so.
  const nodes = start("pods", "pods/ws-daemon", core.nodeDaemons, { labelSelector: nodeDaemonSelector });
  const nodesKnown = Promise.race([nodes, sleep(clock, nodesFirstMs, stopping.signal)]);
  const known = Promise.race([Promise.all(events), sleep(clock, eventsFirstMs, stopping.signal)]);
  const synced = known.then(() => start("pods", "pods", core.pipeline, { labelSelector: workspaceSelector }));
  return {
    synced,
    nodesKnown,
    async stop() {
      stopping.abort();
      await known;
      await Promise.all(runs);
    },
  };
}

/** How long a step of the end may take at most, where it has a bound below its share of drainTimeout, milliseconds. */
const flushMs = 5_000;

/** Each step leaves some of the time to those that come after it, whatever those before it took. */
async function closeRpc(hub: Hub, rpc: RpcServer, drain: Countdown): Promise<void> {
  await hub.shutdown(Math.min(flushMs, drain.leftMs / 4));
  await rpc.close(drain.leftMs / 2);
}

async function lastWrites({ activity, starter }: Core, withinMs: number): Promise<void> {
  await Promise.all([activity.flush(withinMs), starter.settled(withinMs)]);
}

async function unwind(cleanup: readonly (() => Promise<void> | void)[], log: Log): Promise<void> {
  for (const step of cleanup.toReversed()) {
    try {
      await step();
    } catch (error) {
      log.warn({ error: messageOf(error) }, "a part did not stop in order");
    }
  }
}

