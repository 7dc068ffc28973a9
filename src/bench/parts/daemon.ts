/** The daemon under test: our own, started for the measurement, or one that runs anywhere. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { asObject } from "../../domain/json.ts";
import type { Endpoint } from "../load/grpc-stream.ts";
import { machineNow } from "../load/clock.ts";
import { startProgram } from "./program.ts";

/** How long it may take until it serves, and until it has its first complete list. */
const startTimeoutMs = 30_000;
const syncTimeoutMs = 120_000;

/** A daemon that can be measured. */
export interface Daemon {
  readonly endpoint: Endpoint;
  readonly pid: number | undefined;
  /** Address of its /metrics; undefined if it is not known. */
  readonly metrics: string | undefined;
  /** When it was started and when it served, on the machine's clock. */
  readonly startedAt: number;
  readonly servedAt: number;
  /** Resolves with the time of its first complete list. */
  synced(): Promise<number>;
  end(): Promise<void>;
}

/** How ours is started. */
export interface DaemonOptions {
  readonly entry: string;
  readonly kubeconfig: string;
  readonly namespace: string;
  readonly workers: number | undefined;
}

/** Starts wsmand, without TLS on ports that the system chooses. */
export async function startDaemon({ entry, kubeconfig, namespace, workers }: DaemonOptions): Promise<Daemon> {
  const folder = await mkdtemp(join(tmpdir(), "wsmand-bench-"));
  const config = join(folder, "config.json");
  await writeFile(config, JSON.stringify(configuration(namespace, workers)));
  const startedAt = machineNow();
  const program = startProgram(entry, ["run", "--config", config, "--kubeconfig", kubeconfig]);
  const end = async (): Promise<void> => {
    await program.end();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const { rpcPort, metricsPort } = await program.line(serving, "the daemon did not start", startTimeoutMs);
    const servedAt = machineNow();
    // Lines are read as they come, so the wait begins at once.
    const synced = program.line((line) => (line.includes('"synchronized"') ? machineNow() : undefined), "the daemon got no complete list", syncTimeoutMs);
    synced.catch(() => {});
    return { endpoint: { host: "127.0.0.1", port: rpcPort }, pid: program.pid, metrics: `http://127.0.0.1:${metricsPort}/metrics`, startedAt, servedAt, synced: () => synced, end };
  } catch (error) {
    await end();
    throw error;
  }
}

function serving(line: string): { readonly rpcPort: number; readonly metricsPort: number } | undefined {
  if (!line.includes('"serving"')) return undefined;
  const parsed: unknown = JSON.parse(line);
  const { rpcPort, metricsPort } = asObject(parsed) ?? {};
  return typeof rpcPort === "number" && typeof metricsPort === "number" ? { rpcPort, metricsPort } : undefined;
}

function configuration(namespace: string, workers: number | undefined): object {
  const resources = { requests: { cpu: "1", memory: "2Gi", "ephemeral-storage": "5Gi" }, limits: { cpu: "4", memory: "8Gi", "ephemeral-storage": "30Gi" } };
  return {
    manager: {
      namespace,
      timeouts: { startup: "1h", initialization: "30m", regularWorkspace: "48h", maxLifetime: "48h", headlessWorkspace: "1h", afterClose: "2m", contentFinalization: "1h", stopping: "1h", interrupted: "5m" },
      initProbe: { disabled: true },
      urlTemplate: "https://{{ .ID }}.ws.{{ .Host }}", portUrlTemplate: "https://{{ .WorkspacePort }}-{{ .ID }}.ws.{{ .Host }}",
      workspaceHostPath: "/var/gitpod/workspaces", hostURL: "bench.example.com", heartbeatInterval: "30s", reconnectionInterval: "30s",
      wsdaemon: { port: 8080 }, registryFacadeHost: "localhost:31750",
      workspaceClass: { default: { name: "Default", container: resources } },
    },
    rpcServer: { addr: "127.0.0.1:0" },
    prometheus: { addr: "127.0.0.1:0" },
    wsmand: { lifecycle: { enabled: false }, leaderElection: { enabled: false }, log: { level: "info", format: "json" }, ...(workers === undefined ? {} : { workers }) },
  };
}

/** The value of a metric without labels; undefined if the daemon does not tell. */
export async function metric(daemon: Daemon, name: string): Promise<number | undefined> {
  return (await metrics(daemon)).get(name);
}

/** All metrics, read at once, by their names with labels as they stand there; none if the daemon does not tell. */
export async function metrics(daemon: Daemon): Promise<ReadonlyMap<string, number>> {
  if (daemon.metrics === undefined) return new Map();
  const response = await fetch(daemon.metrics, { signal: AbortSignal.timeout(10_000) });
  const found = (await response.text()).matchAll(/^([a-z_:][a-z0-9_:]*(?:\{.*\})?) (\S+)$/gim);
  return new Map([...found].map(([, name = "", value]) => [name, Number(value)]));
}

/** Longest delay of its event loop since the last scrape, seconds. */
export const loopDelayMetric = "nodejs_eventloop_lag_max_seconds";
/** How often the daemon's event loop is looked at (prom-client's default), milliseconds: that time is in every delay that it tells. */
const samplerMs = 10;

/**
 * Longest delay of the daemon's event loop since the last time that somebody asked, milliseconds, without the sampler's own 10: a loop that was blocked
 * once for so long tells of 0 to 10 ms less, one that was so often tells of nearly all. Undefined if the daemon does not tell.
 */
export async function loopDelayMs(daemon: Daemon): Promise<number | undefined> {
  const seconds = await metric(daemon, loopDelayMetric);
  return seconds === undefined ? undefined : beyondSampler(seconds);
}

/** The metric's value as {@link loopDelayMs} gives it. */
export function beyondSampler(seconds: number): number {
  return Math.max(0, seconds * 1000 - samplerMs);
}
