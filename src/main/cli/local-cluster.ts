/** The built-in cluster as the commands start it: with scheduler, kubelets, demo workspaces and a kubeconfig in a file. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startEmbeddedCluster } from "../../embedded/index.ts";
import type { EmbeddedCluster, EmbeddedClusterOptions } from "./seams.ts";

/** Starts it. Rejects if it can not listen, or its kubeconfig can not be written. */
export async function startLocalCluster({ port, namespace, nodes, speed, demo = 0, kubeconfigPath }: EmbeddedClusterOptions): Promise<EmbeddedCluster> {
  const life = speed === undefined ? {} : { speed };
  const cluster = await startEmbeddedCluster({
    port, namespace,
    admin: true,
    kubelet: { ...life, ...(nodes === undefined ? {} : { nodes }) },
    demo: demo > 0 && { ...life, workspaces: demo },
  });
  try {
    const file = await kubeconfigFile(kubeconfigPath);
    await cluster.writeKubeconfig(file.path);
    return {
      url: cluster.url,
      kubeconfigPath: file.path,
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

/** A file of the user's choice stays; one of ours has a folder that no one else can write to, and goes. */
async function kubeconfigFile(chosen: string | undefined): Promise<{ readonly path: string; remove(): Promise<void> }> {
  if (chosen !== undefined) return { path: chosen, remove: () => Promise.resolve() };
  const folder = await mkdtemp(join(tmpdir(), "wsmand-"));
  return { path: join(folder, "kubeconfig"), remove: () => rm(folder, { recursive: true, force: true }) };
}
