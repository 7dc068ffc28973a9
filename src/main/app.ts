/** From a configuration to a running daemon: what `wsmand run` starts. */
import { homedir } from "node:os";
import { systemClock } from "../domain/clock.ts";
import type { Log } from "../domain/log.ts";
import { toDeriveConfig, type Config } from "./config/index.ts";
import { assembleDaemon, type Daemon, type DaemonOptions } from "./daemon.ts";
import { KubeClient } from "./kube/client.ts";
import { Credentials } from "./kube/credentials.ts";
import { findKubeSource } from "./kube/source.ts";

/** How `run` was called. */
export interface RunOptions {
  readonly config: Config;
  /** Value of --kubeconfig. */
  readonly kubeconfig?: string | undefined;
  /** Environment that names the cluster: KUBECONFIG, KUBERNETES_SERVICE_HOST, KUBERNETES_SERVICE_PORT. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly log: Log;
}

/**
 * Starts the daemon on a cluster.
 * @throws Error if there is no access to a cluster, an address is taken, or TLS files can not be used.
 */
export async function startDaemon(options: RunOptions): Promise<Daemon> {
  const { log } = options;
  const source = findKubeSource({ kubeconfig: options.kubeconfig, env: options.env, home: homedir() });
  const credentials = new Credentials(source, systemClock, log);
  return assembleDaemon({
    ...fromConfig(options.config),
    connect: (hooks) => new KubeClient({ credentials, clock: systemClock, hooks }),
    clock: systemClock,
    random: Math.random,
    log,
  });
}

function fromConfig(config: Config): Omit<DaemonOptions, "connect" | "clock" | "random" | "log"> {
  const { manager, rpcServer, prometheus, wsmand } = config;
  return {
    namespace: manager.namespace,
    rpc: { addr: rpcServer.addr, tls: rpcServer.tls },
    metricsAddr: prometheus.addr,
    workers: wsmand.workers,
    derive: toDeriveConfig(config),
    cache: wsmand.statusCache,
    subscriptions: { stallTimeoutMs: wsmand.subscriptions.stallTimeout, maxBacklog: wsmand.subscriptions.maxBacklog },
    drainTimeoutMs: wsmand.drainTimeout,
    classes: manager.workspaceClasses,
  };
}
