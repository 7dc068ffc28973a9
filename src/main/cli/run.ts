/** Command `run`: the daemon, from its configuration to its orderly end. */
import { messageOf } from "../../domain/errors.ts";
import { parseListenAddress } from "../../domain/listen-address.ts";
import type { Log } from "../../domain/log.ts";
import { embeddedConfig, embeddedDocument, type EmbeddedOptions } from "../config/embedded.ts";
import { defaultAddress } from "../config/env.ts";
import { load, type Config, type LoadedConfig } from "../config/index.ts";
import type { RunOptions } from "../app.ts";
import type { Daemon } from "../daemon.ts";
import { told } from "./config-flags.ts";
import type { TlsFlags } from "./connection.ts";
import { CliError, plainCause, usageError } from "./errors.ts";
import { aborted, wantsColor, type Io } from "./io.ts";
import { openLog } from "./log.ts";
import type { EmbeddedCluster, EmbeddedClusterOptions, Parts } from "./seams.ts";
import { painter } from "./text.ts";
import { version } from "../version.ts";

/** Flags of `run`. */
export interface RunFlags extends TlsFlags {
  readonly config?: string | undefined;
  readonly embedded?: boolean | undefined;
  readonly kubeconfig?: string | undefined;
  readonly rpcAddr?: string | undefined;
  readonly metricsAddr?: string | undefined;
  /** Workspaces of the built-in cluster. */
  readonly demo?: number | undefined;
  /** How much faster than life it is. */
  readonly speed?: number | undefined;
  /** Compute everything, write nothing. */
  readonly shadow?: boolean | undefined;
  /** Address of the ws-manager that a shadow is compared with. */
  readonly compare?: string | undefined;
  /** Milliseconds. */
  readonly settle?: number | undefined;
}

/** A workspace is compared with another manager's once it was still for so long, if nothing else is asked for, milliseconds. */
const defaultSettleMs = 10_000;
/** The other manager may have many workspaces to list, milliseconds. */
const compareTimeoutMs = 60_000;

/** Workspaces of the built-in cluster, if nothing else is asked for. */
const defaultDemo = 8;

/** Runs until the signal aborts. @throws CliError if it can not start. */
export async function run(io: Io, flags: RunFlags, parts: Parts): Promise<void> {
  const { config: given, warnings } = await configOf(io, flags);
  const write = (line: string): void => void io.stderr.write(line);
  const { log, flush } = openLog({ ...given.wsmand.log, write, now: () => io.clock.now(), paint: painter(wantsColor(io, io.stderr)) });
  for (const warning of warnings) log.warn({}, warning);
  const shadow = await shadowOf(flags);
  // What was started last ends first.
  await using ending = new AsyncDisposableStack();
  ending.defer(flush);
  let serving = false;
  ending.defer(() => void (serving && log.info({}, "stopped")));
  const workspaces = workspacesOf(given, flags);
  const cluster = flags.embedded ? await startCluster(clusterFor(io, given, flags, workspaces), parts) : undefined;
  if (cluster) ending.defer(() => cluster.close());
  const config = withNodeDaemons(given, cluster?.nodeDaemonPort);
  const kubeconfig = cluster?.kubeconfigPath ?? flags.kubeconfig;
  const daemon = await startDaemon(parts, { config, kubeconfig, env: io.env, log, shadow }, flags.config === undefined);
  ending.defer(() => daemon.close());
  serving = true;
  announce(config, daemon, log);
  if (cluster) {
    await invite(io, config, daemon, cluster);
    const demo = runDemo(io, { config, daemon, cluster, log }, workspaces.started, flags.speed);
    ending.defer(() => demo);
  }
  await aborted(io.signal);
  log.info({ drainTimeoutMs: config.wsmand.drainTimeout }, "stopping");
}

/** Workspaces of the demo. */
interface DemoWorkspaces {
  /** Through the daemon, which does the rest. */
  readonly started: number;
  /** By the cluster alone, where the daemon does not act on workspaces: somebody else has to bring them up and end them. */
  readonly played: number;
}

function workspacesOf({ wsmand }: Config, { demo = defaultDemo, shadow = false }: RunFlags): DemoWorkspaces {
  return wsmand.lifecycle.enabled && !shadow ? { started: demo, played: 0 } : { started: 0, played: demo };
}

/** The built-in cluster for a configuration. Where there is no file of it, other commands get one. */
function clusterFor(io: Io, { manager: { namespace, schedulerName } }: Config, flags: RunFlags, { started, played }: DemoWorkspaces): EmbeddedClusterOptions {
  const { speed, config } = flags;
  const configFor = (port: number | undefined): object => embeddedDocument({ ...embeddedOptions(io, flags), ...(port === undefined ? {} : { wsdaemon: { port } }) });
  return { namespace, demo: played, slowNodeDaemons: started > 0, ...(speed === undefined ? {} : { speed }), ...(schedulerName === undefined ? {} : { schedulerName }), ...(config === undefined ? { configFor } : {}) };
}

/** Node daemons of the built-in cluster have a port of their own and no TLS: what the configuration says is for another cluster's, its port may be taken here, and its files be missing. */
function withNodeDaemons(config: Config, port: number | undefined): Config {
  return port === undefined ? config : { ...config, manager: { ...config.manager, wsdaemon: { port } } };
}

function announce(config: Config, daemon: Daemon, log: Log): void {
  log.info({ version: version(), rpcPort: daemon.rpcPort, metricsPort: daemon.metricsPort, profilingPort: daemon.profilingPort, namespace: config.manager.namespace }, "serving");
  daemon.synced.then(() => log.info({}, "synchronized"), () => {});
}

async function startDaemon(parts: Parts, options: RunOptions, byFlags: boolean): Promise<Daemon> {
  const start = await parts.daemon();
  try {
    return await start(options);
  } catch (error) {
    throw startError("wsmand can not start", error, byFlags ? flagsOfRun : "rpcServer.addr, prometheus.addr and pprof.addr in the configuration");
  }
}

/** How other ports are chosen where flags do, and where they are typed behind npm. */
const flagsOfRun = "--rpc-addr 127.0.0.1:PORT and --metrics-addr 127.0.0.1:PORT (behind npm: npm start -- FLAGS)";

/** Starts the built-in cluster. @param ports how other ports are chosen, in words; undefined: they can not be. @throws CliError if it can not start. */
export async function startCluster(options: EmbeddedClusterOptions, parts: Parts, ports?: string): Promise<EmbeddedCluster> {
  const start = await parts.embeddedCluster();
  try {
    return await start(options);
  } catch (error) {
    throw startError("the built-in cluster can not start", error, ports);
  }
}

/** Words for what kept a part from starting. @param ports how other ports are chosen; undefined: they can not be. */
function startError(what: string, error: unknown, ports: string | undefined): CliError {
  const message = plainCause(messageOf(error));
  const taker = ports === flagsOfRun ? "another program, perhaps another npm start," : "another program";
  const hint = message.includes("EADDRINUSE") ? `${taker} listens on that port: stop it${ports === undefined ? "" : `, or choose other ports with ${ports}`}` : undefined;
  return new CliError(`${what}: ${message}`, { hint, cause: error });
}

/** @throws CliError for flags that contradict each other, and TLS files that can not be read. */
async function shadowOf(flags: RunFlags): Promise<RunOptions["shadow"]> {
  const { shadow, compare, settle = defaultSettleMs } = flags;
  if (!shadow) return undefined;
  if (compare === undefined) return { settleMs: settle };
  const { contactOf } = await import("./connection.ts");
  return { settleMs: settle, compare: await contactOf({ ...flags, address: compare, timeout: compareTimeoutMs }) };
}

function hasTlsFlags({ tls, tlsCa, tlsCert, tlsKey, tlsServerName, insecure }: TlsFlags): boolean {
  return [tls, tlsCa, tlsCert, tlsKey, tlsServerName, insecure].some((flag) => flag !== undefined);
}

/** @throws CliError for flags that would be ignored. */
function checkShadowFlags({ shadow, compare, settle, ...tls }: RunFlags): void {
  if (compare !== undefined && !shadow) throw usageError("--compare is for --shadow: a daemon that acts changes what it would be compared with");
  if (compare === undefined && (settle !== undefined || hasTlsFlags(tls))) throw usageError("--settle and the --tls flags are for --compare", "TLS of this daemon's own server is rpcServer.tls in the configuration");
}

/** @throws CliError for flags that contradict each other, or would be ignored. */
function checkFlags({ config, embedded, kubeconfig, rpcAddr, metricsAddr, demo, speed }: RunFlags): void {
  const given = (...values: readonly unknown[]): boolean => values.some((value) => value !== undefined);
  if (config === undefined && !embedded) throw usageError("run needs a configuration", "give --config FILE, or --embedded to try it out on the built-in cluster");
  if (embedded && given(kubeconfig)) throw usageError("--embedded and --kubeconfig exclude each other: the built-in cluster is a cluster of its own");
  if (given(config) && given(rpcAddr, metricsAddr)) throw usageError("--rpc-addr and --metrics-addr are for --embedded without --config", "with a file, set rpcServer.addr and prometheus.addr there");
  if (!embedded && given(demo, speed)) throw usageError("--demo and --speed are for --embedded: they concern the built-in cluster");
}

async function configOf(io: Io, flags: RunFlags): Promise<LoadedConfig> {
  checkFlags(flags);
  checkShadowFlags(flags);
  if (flags.config !== undefined) {
    return told(io, load(flags.config));
  }
  return told(io, embeddedConfig(embeddedOptions(io, flags)));
}

/** What the built-in configuration is made with. */
function embeddedOptions({ stderr }: Io, { rpcAddr, metricsAddr }: RunFlags): EmbeddedOptions {
  return { rpcAddr, metricsAddr, logFormat: stderr.isTTY === true ? "text" : undefined, leaderElection: true };
}

/** Lets people work in workspaces, through the API, until the signal aborts. Never rejects. */
async function runDemo(io: Io, { config, daemon, cluster, log }: { readonly config: Config; readonly daemon: Daemon; readonly cluster: EmbeddedCluster; readonly log: Log }, workspaces: number, speed = 1): Promise<void> {
  if (workspaces === 0) return;
  const { rpcServer: { addr, tls }, manager } = config;
  const server = { address: reachable(addr, daemon.rpcPort), ...(tls && { tlsCa: tls.ca, tlsCert: tls.crt, tlsKey: tls.key }) };
  const { demo } = await import("./demo.ts");
  await demo(io, { server, workspaces, speed, classes: manager.workspaceClasses.map(({ id }) => id), strike: (id, fault) => cluster.strike(id, fault), log });
}

/** Tells what there is to try, once there is something to be seen. */
async function invite(io: Io, config: Config, daemon: Daemon, { url, kubeconfigPath, configPath }: EmbeddedCluster): Promise<void> {
  await Promise.race([daemon.synced, aborted(io.signal)]);
  if (!io.signal.aborted) io.stdout.write(banner({ ...servedOf(config, daemon), api: url, configPath }, kubeconfigPath));
}

/** Where people find what is served. */
interface Served {
  readonly rpc: string;
  readonly metrics: string | undefined;
  /** The built-in cluster's API server, a URL. */
  readonly api: string;
  /** Authorities of the gRPC server's certificate; undefined: plaintext. */
  readonly tlsCa: string | undefined;
  /** A file with the configuration, for commands that want one. */
  readonly configPath?: string | undefined;
}

function servedOf({ rpcServer, prometheus }: Config, daemon: Daemon): Omit<Served, "api" | "configPath"> {
  return { rpc: reachable(rpcServer.addr, daemon.rpcPort), metrics: daemon.metricsPort === undefined ? undefined : reachable(prometheus.addr, daemon.metricsPort), tlsCa: rpcServer.tls?.ca };
}

function reachable(addr: string | undefined, port: number): string {
  const host = parseListenAddress(addr ?? "")?.host ?? "127.0.0.1";
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Tells what is served where, and what to try. */
export function banner(served: Served, kubeconfigPath: string): string {
  const address = served.rpc === defaultAddress ? "" : ` --address ${served.rpc}`;
  const tls = served.tlsCa === undefined ? "" : ` --tls-ca ${served.tlsCa} --tls-cert FILE --tls-key FILE`;
  return [
    "wsmand runs on the built-in cluster and serves",
    `  gRPC             ${served.rpc}`,
    ...(served.metrics === undefined ? [] : [`  metrics, health  http://${served.metrics}/`]),
    `  Kubernetes API   ${served.api}`,
    "Try, in another terminal:",
    `  npm run --silent wsmand -- watch${address}${tls}`,
    `  npm run --silent wsmand -- list${address}${tls}         and: describe ID`,
    `  npm run --silent wsmand -- start examples/start-request.json${address}${tls}         then, with its ID: active, timeout, snapshot, backup, stop`,
    ...(served.configPath === undefined ? [] : [`  npm run --silent wsmand -- preflight --config ${served.configPath} --kubeconfig ${kubeconfigPath}`, "    and, with the same flags: explain ID. Both files go when this ends."]),
    `  kubectl --kubeconfig ${kubeconfigPath} get pods --watch         if kubectl is installed`,
    "Ctrl-C ends it.",
    "",
  ].join("\n");
}
