/** Command `embedded`: the built-in cluster alone, for kubectl and experiments. */
import { aborted, type Io } from "./io.ts";
import { startError } from "./run.ts";
import type { EmbeddedClusterOptions, StartEmbeddedCluster } from "./seams.ts";

/** Runs until the signal aborts. @throws CliError if it can not start. */
export async function embedded(io: Io, options: EmbeddedClusterOptions, load: () => Promise<StartEmbeddedCluster>): Promise<void> {
  const start = await load();
  const cluster = await start(options).catch((error: unknown) => {
    throw startError("the built-in cluster can not start", error, "--port");
  });
  io.stdout.write(`the built-in cluster serves ${cluster.url}\nTry:\n  kubectl --kubeconfig ${cluster.kubeconfigPath} get pods --watch\n`);
  await aborted(io.signal);
  await cluster.close();
}
