/** Command `embedded`: the built-in cluster alone, for kubectl and experiments. */
import { aborted, type Io } from "./io.ts";
import { startCluster } from "./run.ts";
import type { EmbeddedClusterOptions, Parts } from "./seams.ts";

/** Runs until the signal aborts. @throws CliError if it can not start. */
export async function embedded(io: Io, options: EmbeddedClusterOptions, parts: Parts): Promise<void> {
  const cluster = await startCluster(options, parts);
  try {
    io.stdout.write(`the built-in cluster serves ${cluster.url}\nTry:\n  kubectl --kubeconfig ${cluster.kubeconfigPath} get pods --watch\n`);
    await aborted(io.signal);
  } finally {
    await cluster.close();
  }
}
