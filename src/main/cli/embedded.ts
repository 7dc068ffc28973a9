/** Command `embedded`: the built-in cluster alone, for kubectl, a daemon beside it, and experiments. */
import { writeFile } from "node:fs/promises";
import { unwritable } from "../../domain/file-reasons.ts";
import { embeddedDocument } from "../config/embedded.ts";
import { usageError } from "./errors.ts";
import { aborted, type Io } from "./io.ts";
import { startCluster } from "./run.ts";
import type { EmbeddedCluster, EmbeddedClusterOptions, Parts } from "./seams.ts";

/** Flags of `embedded`. */
export interface EmbeddedFlags extends Omit<EmbeddedClusterOptions, "wsdaemonTls"> {
  /** Where a configuration for a daemon on the cluster is written. */
  readonly configPath?: string;
  readonly wsdaemonTlsCa?: string;
  readonly wsdaemonTlsCert?: string;
  readonly wsdaemonTlsKey?: string;
}

/** How they are chosen, and where that is typed behind npm. */
const ports = "--port and --wsdaemon-port (behind npm: npm run --silent wsmand -- embedded FLAGS)";

type Tls = EmbeddedClusterOptions["wsdaemonTls"];

/** Runs until the signal aborts. @throws CliError if it can not start, Error if a file can not be written. */
export async function embedded(io: Io, { configPath, wsdaemonTlsCa, wsdaemonTlsCert, wsdaemonTlsKey, ...options }: EmbeddedFlags, parts: Parts): Promise<void> {
  const tls = tlsOf(wsdaemonTlsCa, wsdaemonTlsCert, wsdaemonTlsKey);
  const cluster = await startCluster({ ...options, ...(tls && { wsdaemonTls: tls }) }, parts, ports);
  try {
    if (configPath !== undefined) await writeConfig(configPath, cluster, tls, options);
    io.stdout.write(told(cluster, configPath));
    await aborted(io.signal);
  } finally {
    await cluster.close();
  }
}

/** @throws CliError unless there are three files, or none. */
function tlsOf(ca: string | undefined, crt: string | undefined, key: string | undefined): Tls {
  if (ca !== undefined && crt !== undefined && key !== undefined) return { ca, crt, key };
  if (ca !== undefined || crt !== undefined || key !== undefined) throw usageError("TLS of the node daemons needs all of --wsdaemon-tls-ca, --wsdaemon-tls-cert and --wsdaemon-tls-key, or none of them");
  return undefined;
}

function told({ url, kubeconfigPath, nodeDaemonPort }: EmbeddedCluster, configPath: string | undefined): string {
  return [
    `the built-in cluster serves ${url}`,
    ...(nodeDaemonPort === undefined ? [] : [`its node daemons listen on port ${nodeDaemonPort}: manager.wsdaemon.port of a daemon's configuration`]),
    "Try:",
    `  kubectl --kubeconfig ${kubeconfigPath} get pods --watch`,
    ...(configPath === undefined ? [] : [`  npm run --silent wsmand -- run --config ${configPath} --kubeconfig ${kubeconfigPath}`]),
    "Ctrl-C ends it.",
    "",
  ].join("\n");
}

/** The certificates that the node daemons have are the ones that the written configuration names for their client. */
async function writeConfig(path: string, { nodeDaemonPort }: EmbeddedCluster, tls: Tls, { schedulerName, demo = 0 }: Pick<EmbeddedClusterOptions, "schedulerName" | "demo">): Promise<void> {
  const document = embeddedDocument({ schedulerName, lifecycle: demo === 0, leaderElection: true, ...(nodeDaemonPort === undefined ? {} : { wsdaemon: { port: nodeDaemonPort, tls } }) });
  try {
    await writeFile(path, `${JSON.stringify(document, undefined, 2)}\n`);
  } catch (error) {
    throw unwritable("--config-path", path, error);
  }
}
