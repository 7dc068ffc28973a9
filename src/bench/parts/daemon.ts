/** The daemon under test: our own, started for the measurement, or one that runs anywhere. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { asObject } from "../../domain/json.ts";
import type { Endpoint } from "../load/grpc-stream.ts";
import { machineNow } from "../load/clock.ts";
import { startProgram } from "./program.ts";

/** How long it may take until it serves, and until it has its first complete list. */
const startTimeoutMs = 60_000;
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
  /** Budget of its requests to the API server, a second; 0: its own. */
  readonly qps: number;
  /** Of the cluster's node daemons: it acts on workspaces then. Undefined: there are none, and it does what calls ask for alone. */
  readonly nodeDaemonPort: number | undefined;
  /** Node's own flags. */
  readonly nodeFlags: readonly string[];
  /** Told of its process as soon as there is one. */
  readonly started: (pid: number) => void;
}

/** Scheduler of the workspaces that our daemon starts: there is none, so that nobody runs them. */
const absentScheduler = "wsmand-bench";

/** Starts wsmand, without TLS on ports that the system chooses. */
export async function startDaemon({ entry, kubeconfig, nodeFlags, started, ...settings }: DaemonOptions): Promise<Daemon> {
  const folder = await mkdtemp(join(tmpdir(), "wsmand-bench-"));
  const config = join(folder, "config.json");
  await writeFile(config, JSON.stringify(configuration(settings)));
  const startedAt = machineNow();
  const program = startProgram(entry, ["run", "--config", config, "--kubeconfig", kubeconfig], nodeFlags);
  started(program.pid);
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

function configuration({ namespace, workers, qps, nodeDaemonPort }: Pick<DaemonOptions, "namespace" | "workers" | "qps" | "nodeDaemonPort">): object {
  const acts = nodeDaemonPort !== undefined;
  // Where pods really have a place, a node is to have room for as many as it may run.
  const resources = { requests: acts ? { cpu: "100m", memory: "256Mi", "ephemeral-storage": "1Gi" } : { cpu: "1", memory: "2Gi", "ephemeral-storage": "5Gi" }, limits: { cpu: "4", memory: "8Gi", "ephemeral-storage": "30Gi" } };
  return {
    manager: {
      namespace,
      timeouts: { startup: "1h", initialization: "30m", regularWorkspace: "48h", maxLifetime: "48h", headlessWorkspace: "1h", afterClose: "2m", contentFinalization: "1h", stopping: "1h", interrupted: "5m" },
      initProbe: { disabled: true }, ...(acts ? {} : { schedulerName: absentScheduler }),
      urlTemplate: "https://{{ .ID }}.ws.{{ .Host }}", portUrlTemplate: "https://{{ .WorkspacePort }}-{{ .ID }}.ws.{{ .Host }}",
      workspaceHostPath: "/var/gitpod/workspaces", hostURL: "bench.example.com", heartbeatInterval: "30s", reconnectionInterval: "30s",
      wsdaemon: { port: nodeDaemonPort ?? 8080 }, registryFacadeHost: "localhost:31750",
      workspaceClass: { default: { name: "Default", container: resources } },
    },
    rpcServer: { addr: "127.0.0.1:0" },
    prometheus: { addr: "127.0.0.1:0" },
    wsmand: { lifecycle: { enabled: acts }, leaderElection: { enabled: false }, log: { level: "info", format: "json" }, ...(workers === undefined ? {} : { workers }), ...(qps === 0 ? {} : { kubernetes: { qps, burst: 2 * qps } }) },
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

/** Counters of requests to the API server: ours, and that of Go's client. */
const requestCounters = ["wsmand_api_requests_total", "rest_client_requests_total"];

/** Requests that the daemon has made of the API server, but for watches; undefined if it does not tell. */
export async function apiRequests(daemon: Daemon): Promise<number | undefined> {
  return requestsIn(await metrics(daemon));
}

/** What a daemon tells of itself; undefined what it does not. */
export interface Told {
  /** See {@link apiRequests}. */
  readonly requests: number | undefined;
  /** Its resident memory, MiB. */
  readonly rssMb: number | undefined;
}

/** What it tells now; nothing if it does not answer. */
export async function told(daemon: Daemon): Promise<Told> {
  const found = await metrics(daemon).catch(() => new Map<string, number>());
  const rss = found.get("process_resident_memory_bytes");
  return { requests: requestsIn(found), rssMb: rss === undefined ? undefined : rss / 2 ** 20 };
}

function requestsIn(found: ReadonlyMap<string, number>): number | undefined {
  const all = [...found];
  const name = requestCounters.find((counter) => all.some(([key]) => key.startsWith(`${counter}{`)));
  if (name === undefined) return undefined;
  return all.filter(([key]) => key.startsWith(`${name}{`) && !key.includes('verb="watch"')).reduce((sum, [, count]) => sum + count, 0);
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
