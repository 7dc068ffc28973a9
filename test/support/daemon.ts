/** Starts the daemon inside a test, on ports that the system chooses. */
import { systemClock } from "../../src/domain/clock.ts";
import { silentLog, type Log } from "../../src/domain/log.ts";
import { embeddedConfig } from "../../src/main/config/embedded.ts";
import { assembleDaemon, type Daemon, type DaemonOptions } from "../../src/main/daemon.ts";
import { KubeClient } from "../../src/main/kube/client.ts";
import { Credentials } from "../../src/main/kube/credentials.ts";
import { findKubeSource } from "../../src/main/kube/source.ts";
import { closedAtLast } from "./closing.ts";
import { daemonKubeconfig } from "./rights.ts";
import { assertNoSecrets } from "./secrets.ts";

/** Log entries that are kept to be searched; a daemon that tells more fails its test. */
const maxEntries = 200_000;

/** Passes entries on, and keeps them. */
function keepingLog(inner: Log, entries: string[]): Log {
  const at = (level: keyof Log) => (fields: object, message: string): void => {
    if (entries.length <= maxEntries) entries.push(`${message} ${JSON.stringify(fields)}`);
    inner[level](fields, message);
  };
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

/** Starts a daemon on the cluster of a kubeconfig, with the rights that the chart gives it there. Its `close` rejects if its log or its metrics show a secret. */
export async function startTestDaemon(kubeconfig: string, options: Partial<DaemonOptions> = {}): Promise<Daemon> {
  const entries: string[] = [];
  const log = keepingLog(options.log ?? silentLog, entries);
  const own = await daemonKubeconfig(kubeconfig, options.namespace ?? "default");
  const credentials = new Credentials(findKubeSource({ kubeconfig: own, env: {}, home: "/nonexistent" }), systemClock, log);
  const { config } = await embeddedConfig();
  const daemon = await assembleDaemon({
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
    leaderElection: { enabled: false, leaseDurationMs: 15_000, renewDeadlineMs: 10_000, retryPeriodMs: 2_000, identity: "test" },
    events: { enabled: false, instance: "test" },
    imageBuilder: undefined,
    tracing: undefined,
    seccompField: false,
    kubernetes: { qps: 1000, burst: 1000 },
    persistIntervalMs: 300_000,
    connect: (hooks) => new KubeClient({ credentials, clock: systemClock, hooks }),
    clock: systemClock,
    random: Math.random,
    ...options,
    log,
  });
  const close = async (): Promise<void> => {
    const metrics = await metricsOf(daemon);
    await daemon.close();
    if (entries.length > maxEntries) throw new Error(`the daemon told more than ${maxEntries} log entries`);
    assertNoSecrets("the daemon's log", entries);
    assertNoSecrets("the daemon's metrics", [metrics]);
  };
  return { ...daemon, close: closedAtLast(close) };
}

/** The text of /metrics; empty if the daemon serves none. */
export async function metricsOf({ metricsPort }: Daemon): Promise<string> {
  if (metricsPort === undefined) return "";
  const response = await fetch(`http://127.0.0.1:${metricsPort}/metrics`, { headers: { connection: "close" }, signal: AbortSignal.timeout(30_000) });
  return response.text();
}
