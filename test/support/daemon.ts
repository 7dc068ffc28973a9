/** Starts the daemon inside a test, on ports that the system chooses. */
import { systemClock } from "../../src/domain/clock.ts";
import { silentLog } from "../../src/domain/log.ts";
import { embeddedConfig } from "../../src/main/config/embedded.ts";
import { assembleDaemon, type Daemon, type DaemonOptions } from "../../src/main/daemon.ts";
import { KubeClient } from "../../src/main/kube/client.ts";
import { Credentials } from "../../src/main/kube/credentials.ts";
import { findKubeSource } from "../../src/main/kube/source.ts";

/** Starts a daemon on the cluster of a kubeconfig. */
export async function startTestDaemon(kubeconfig: string, options: Partial<DaemonOptions> = {}): Promise<Daemon> {
  const log = options.log ?? silentLog;
  const credentials = new Credentials(findKubeSource({ kubeconfig, env: {}, home: "/nonexistent" }), systemClock, log);
  const { config } = await embeddedConfig();
  return assembleDaemon({
    namespace: "default",
    rpc: { addr: "127.0.0.1:0", tls: undefined },
    metricsAddr: "127.0.0.1:0",
    workers: 1,
    derive: { regularWorkspaceTimeoutMs: 3_600_000 },
    cache: { maxEntries: 10_000, maxBytes: 16 * 1024 * 1024 },
    subscriptions: { stallTimeoutMs: 60_000, maxBacklog: 100_000 },
    drainTimeoutMs: 2000,
    manager: { ...config.manager, namespace: options.namespace ?? "default" },
    rateLimits: [],
    lifecycle: false,
    seccompField: false,
    kubernetes: { qps: 1000, burst: 1000 },
    persistIntervalMs: 300_000,
    connect: (hooks) => new KubeClient({ credentials, clock: systemClock, hooks }),
    clock: systemClock,
    random: Math.random,
    log,
    ...options,
  });
}
