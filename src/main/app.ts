/** From a configuration to a running daemon: what `wsmand run` starts. */
import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { systemClock } from "../domain/clock.ts";
import type { Log } from "../domain/log.ts";
import type { Environment } from "./config/env.ts";
import { checkReadable, checkServerFiles } from "./config/files.ts";
import { toDeriveConfig, type Config } from "./config/index.ts";
import { mayServeProfiles } from "./config/profiling.ts";
import { storageFileWarnings } from "./config/storage-files.ts";
import { assembleDaemon, type Daemon, type DaemonOptions } from "./daemon.ts";
import { collectGarbageOfLoading } from "./heap.ts";
import { KubeClient } from "./kube/client.ts";
import { Credentials } from "./kube/credentials.ts";
import { readLogin } from "./kube/kubeconfig.ts";
import { electionIdentity } from "./lifecycle/leader.ts";
import { beginTracing } from "./tracing/begin.ts";
import { findKubeSource, type KubeSource } from "./kube/source.ts";

/** How `run` was called. */
export interface RunOptions {
  readonly config: Config;
  /** Value of --kubeconfig. */
  readonly kubeconfig?: string | undefined;
  /** It names the cluster, unless --kubeconfig does. */
  readonly env: Pick<Environment, "variables" | "home">;
  readonly log: Log;
  /** It is to be one that changes nothing. */
  readonly shadow?: DaemonOptions["shadow"];
}

/**
 * Starts the daemon on a cluster.
 * @throws Error if no cluster is described, or not understandably, an address is taken, or TLS files can not be used. That the cluster does not answer is no error.
 */
export async function startDaemon(options: RunOptions): Promise<Daemon> {
  const { log } = options;
  await checkServerFiles(options.config);
  for (const warning of await storageFileWarnings(options.config.content.storage)) log.warn({}, warning);
  const source = findKubeSource({ kubeconfig: options.kubeconfig, env: options.env.variables, home: options.env.home });
  // Read again and again later, as credentials change; but what can not be used now will not mend itself. A service account's files may come late.
  if (source.kind === "kubeconfig") await checkKubeconfig(source);
  const credentials = new Credentials(source, systemClock, log);
  const tracing = await beginTracing(options.config.wsmand.tracing, options.env.variables, log);
  collectGarbageOfLoading();
  return assembleDaemon({
    ...fromConfig(options.config),
    tracing,
    connect: (hooks) => new KubeClient({ credentials, clock: systemClock, hooks }),
    clock: systemClock,
    random: Math.random,
    log,
    shadow: options.shadow,
  });
}

async function checkKubeconfig(source: Extract<KubeSource, { kind: "kubeconfig" }>): Promise<void> {
  for (const file of source.files) await checkReadable("kubeconfig", file);
  await readLogin(source);
}

/** Durations of the configuration are milliseconds. */
function electionOf({ leaderElection: { enabled, leaseDuration, renewDeadline, retryPeriod } }: Config["wsmand"], identity: string): DaemonOptions["leaderElection"] {
  return { enabled, leaseDurationMs: leaseDuration, renewDeadlineMs: renewDeadline, retryPeriodMs: retryPeriod, identity };
}

/** Undefined where none are served; that others could reach the address was warned of. */
function profilingOf({ pprof: { addr }, wsmand: { profiling } }: Config): DaemonOptions["profiling"] {
  if (addr === undefined || !mayServeProfiles(addr, profiling.tls)) return undefined;
  return { addr, tls: profiling.tls, heapSnapshots: profiling.heapSnapshots };
}

function fromConfig(config: Config): Omit<DaemonOptions, "tracing" | "connect" | "clock" | "random" | "log"> {
  const { manager, rpcServer, imageBuilderProxy, prometheus, wsmand } = config;
  const identity = electionIdentity(hostname(), randomBytes(4).toString("hex"));
  return {
    namespace: manager.namespace,
    rpc: { addr: rpcServer.addr, tls: rpcServer.tls },
    metricsAddr: prometheus.addr,
    profiling: profilingOf(config),
    workers: wsmand.workers,
    derive: toDeriveConfig(config),
    cache: wsmand.statusCache,
    subscriptions: { stallTimeoutMs: wsmand.subscriptions.stallTimeout, maxBacklog: wsmand.subscriptions.maxBacklog },
    drainTimeoutMs: wsmand.drainTimeout,
    rateLimits: rpcServer.rateLimits,
    lifecycle: wsmand.lifecycle.enabled,
    leaderElection: electionOf(wsmand, identity),
    events: { enabled: wsmand.events.enabled, instance: identity },
    imageBuilder: imageBuilderProxy.targetAddr,
    manager,
    storage: config.content.storage,
    seccompField: wsmand.pods.seccompField,
    kubernetes: wsmand.kubernetes,
    persistIntervalMs: wsmand.activity.persistInterval,
  };
}
