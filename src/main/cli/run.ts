/** Command `run`: the daemon, from its configuration to its orderly end. */
import { messageOf } from "../../domain/errors.ts";
import type { Log } from "../../domain/log.ts";
import { parseListenAddress } from "../../metrics/listen-address.ts";
import { embeddedConfig } from "../config/embedded.ts";
import { load, type Config, type LoadedConfig } from "../config/index.ts";
import { told } from "./config-flags.ts";
import { defaultAddress } from "../config/env.ts";
import { CliError, usageError } from "./errors.ts";
import { aborted, wantsColor, type Io } from "./io.ts";
import { openLog } from "./log.ts";
import type { Daemon, DaemonOptions, EmbeddedCluster, EmbeddedClusterOptions, Parts } from "./seams.ts";
import { painter } from "./text.ts";
import { version } from "./version.ts";

/** Flags of `run`. */
export interface RunFlags {
  readonly config?: string | undefined;
  readonly embedded?: boolean | undefined;
  readonly kubeconfig?: string | undefined;
  readonly rpcAddr?: string | undefined;
  readonly metricsAddr?: string | undefined;
  /** Workspaces of the built-in cluster. */
  readonly demo?: number | undefined;
  /** How much faster than life it is. */
  readonly speed?: number | undefined;
}

/** Workspaces of the built-in cluster, if nothing else is asked for. */
const defaultDemo = 8;

/** Runs until the signal aborts. @throws CliError if it can not start. */
export async function run(io: Io, flags: RunFlags, parts: Parts): Promise<void> {
  const { config, warnings } = await configOf(io, flags);
  const write = (line: string): void => void io.stderr.write(line);
  const { log, flush } = openLog({ ...config.wsmand.log, write, now: () => io.clock.now(), paint: painter(wantsColor(io)) });
  for (const warning of warnings) log.warn({}, warning);
  // What was started last ends first.
  await using ending = new AsyncDisposableStack();
  ending.defer(flush);
  const cluster = flags.embedded ? await startCluster({ namespace: config.manager.namespace, demo: flags.demo ?? defaultDemo, ...(flags.speed === undefined ? {} : { speed: flags.speed }) }, parts) : undefined;
  if (cluster) ending.defer(() => cluster.close());
  const kubeconfig = cluster?.kubeconfigPath ?? flags.kubeconfig;
  const daemon = await startDaemon(parts, { config, kubeconfig, env: io.env.variables, log }, flags.embedded === true);
  ending.defer(() => daemon.close());
  announce(config, daemon, log);
  if (cluster) io.stdout.write(banner(servedOf(config, daemon), cluster.kubeconfigPath));
  await aborted(io.signal);
  log.info({ drainTimeoutMs: config.wsmand.drainTimeout }, "stopping");
}

function announce(config: Config, daemon: Daemon, log: Log): void {
  log.info({ version: version(), rpcPort: daemon.rpcPort, metricsPort: daemon.metricsPort, namespace: config.manager.namespace }, "serving");
  daemon.synced.then(() => log.info({}, "synchronized"), () => {});
}

async function startDaemon(parts: Parts, options: DaemonOptions, embedded: boolean): Promise<Daemon> {
  const start = await parts.daemon();
  try {
    return await start(options);
  } catch (error) {
    throw startError("wsmand can not start", error, embedded ? "--rpc-addr 127.0.0.1:PORT and --metrics-addr 127.0.0.1:PORT" : "rpcServer.addr and prometheus.addr in the configuration");
  }
}

/** Starts the built-in cluster. @throws CliError if it can not start. */
export async function startCluster(options: EmbeddedClusterOptions, parts: Parts): Promise<EmbeddedCluster> {
  const start = await parts.embeddedCluster();
  try {
    return await start(options);
  } catch (error) {
    throw startError("the built-in cluster can not start", error, "--port");
  }
}

/** Words for what kept a part from starting. @param ports how other ports are chosen. */
function startError(what: string, error: unknown, ports: string): CliError {
  const message = messageOf(error);
  const hint = message.includes("EADDRINUSE") ? `another program listens on that port: stop it, or choose other ports with ${ports}` : undefined;
  return new CliError(`${what}: ${message}`, { hint, cause: error });
}

async function configOf(io: Io, flags: RunFlags): Promise<LoadedConfig> {
  if (flags.embedded && flags.kubeconfig !== undefined) throw usageError("--embedded and --kubeconfig exclude each other: the built-in cluster is a cluster of its own");
  if (flags.config !== undefined) {
    if (flags.rpcAddr !== undefined || flags.metricsAddr !== undefined) throw usageError("--rpc-addr and --metrics-addr are for --embedded without --config", "with a file, set rpcServer.addr and prometheus.addr there");
    return told(load(flags.config));
  }
  if (!flags.embedded) throw usageError("run needs a configuration", "give --config FILE, or --embedded to try it out on the built-in cluster");
  const logFormat = io.stdout.isTTY === true ? "text" : undefined;
  return told(embeddedConfig({ rpcAddr: flags.rpcAddr, metricsAddr: flags.metricsAddr, logFormat }));
}

/** Addresses that people can use. */
interface Served {
  readonly rpc: string;
  readonly metrics: string | undefined;
}

function servedOf({ rpcServer, prometheus }: Config, daemon: Daemon): Served {
  return { rpc: reachable(rpcServer.addr, daemon.rpcPort), metrics: daemon.metricsPort === undefined ? undefined : reachable(prometheus.addr, daemon.metricsPort) };
}

function reachable(addr: string | undefined, port: number): string {
  const host = parseListenAddress(addr ?? "")?.host ?? "127.0.0.1";
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Tells what is served where, and what to try. */
export function banner(served: Served, kubeconfigPath: string): string {
  const address = served.rpc === defaultAddress ? "" : ` --address ${served.rpc}`;
  return [
    "wsmand runs on the built-in cluster and serves",
    `  gRPC             ${served.rpc}`,
    ...(served.metrics === undefined ? [] : [`  metrics, health  http://${served.metrics}/`]),
    "Try, in another terminal:",
    `  npm run --silent wsmand -- watch${address}`,
    `  npm run --silent wsmand -- list${address}`,
    `  kubectl --kubeconfig ${kubeconfigPath} get pods --watch`,
    "",
  ].join("\n");
}
