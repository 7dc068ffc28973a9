/** The built-in cluster as the commands start it: with scheduler, kubelets, node daemons, demo workspaces and a kubeconfig in a file. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startEmbeddedCluster, type NodeDaemonsOptions } from "../../embedded/index.ts";
import { checkReadable } from "../config/files.ts";
import type { EmbeddedCluster, EmbeddedClusterOptions } from "./seams.ts";

/** Starts it. Rejects if it can not listen, its kubeconfig can not be written, or a certificate can not be read. */
export async function startLocalCluster(options: EmbeddedClusterOptions): Promise<EmbeddedCluster> {
  const { port, namespace, nodes, speed, demo = 0, kubeconfigPath, schedulerName } = options;
  const life = speed === undefined ? {} : { speed };
  const cluster = await startEmbeddedCluster({
    port, namespace,
    admin: true,
    kubelet: { ...life, ...(nodes === undefined ? {} : { nodes }), ...(schedulerName === undefined ? {} : { schedulerNames: ["default-scheduler", schedulerName] }) },
    nodeDaemons: await nodeDaemonsOf(options),
    demo: demo > 0 && { ...life, workspaces: demo },
  });
  try {
    const file = await kubeconfigFile(kubeconfigPath);
    await cluster.writeKubeconfig(file.path);
    return {
      url: cluster.url,
      kubeconfigPath: file.path,
      nodeDaemonPort: cluster.nodeDaemons?.port,
      close: async () => {
        await cluster.close();
        await file.remove();
      },
    };
  } catch (error) {
    await cluster.close();
    throw error;
  }
}

async function nodeDaemonsOf({ nodeDaemons = true, wsdaemonPort, wsdaemonTls }: EmbeddedClusterOptions): Promise<NodeDaemonsOptions | false> {
  if (!nodeDaemons) return false;
  return { port: wsdaemonPort, tls: wsdaemonTls && (await tlsOf(wsdaemonTls)) };
}

async function tlsOf(files: NonNullable<EmbeddedClusterOptions["wsdaemonTls"]>): Promise<NodeDaemonsOptions["tls"]> {
  for (const [name, file] of Object.entries(files)) await checkReadable(`TLS of the node daemons (${name})`, file);
  const [ca, crt, key] = await Promise.all([files.ca, files.crt, files.key].map((file) => readFile(file, "utf8")));
  return { ca: ca ?? "", crt: crt ?? "", key: key ?? "" };
}

/** A file of the user's choice stays; one of ours has a folder that no one else can write to, and goes. */
async function kubeconfigFile(chosen: string | undefined): Promise<{ readonly path: string; remove(): Promise<void> }> {
  if (chosen !== undefined) return { path: chosen, remove: () => Promise.resolve() };
  const folder = await mkdtemp(join(tmpdir(), "wsmand-"));
  return { path: join(folder, "kubeconfig"), remove: () => rm(folder, { recursive: true, force: true }) };
}
