/** The built-in cluster as the commands start it: with scheduler, kubelets, node daemons, demo workspaces and a kubeconfig in a file. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { unwritable } from "../../domain/file-reasons.ts";
import { labels } from "../../domain/names.ts";
import { startEmbeddedCluster, type EmbeddedCluster as Cluster, type NodeDaemons, type NodeDaemonsOptions } from "../../embedded/index.ts";
import { faultAnnotation } from "../../embedded/kubelet/faults.ts";
import { record } from "../../embedded/kubelet/json.ts";
import type { NodeFault } from "../../embedded/wsdaemon/faults.ts";
import { readNamed } from "./io.ts";
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
  await using starting = new AsyncDisposableStack();
  starting.defer(() => cluster.close());
  if (options.slowNodeDaemons) takeTime(cluster.nodeDaemons, speed);
  const path = kubeconfigPath ?? ownFile(starting);
  await cluster.writeKubeconfig(path).catch((error: unknown) => {
    throw unwritable(kubeconfigPath === undefined ? "kubeconfig" : "--kubeconfig-path", path, error);
  });
  const started = starting.move();
  return { url: cluster.url, kubeconfigPath: path, nodeDaemonPort: cluster.nodeDaemons?.port, strike: (id, fault) => strike(cluster, id, fault), close: () => started.disposeAsync() };
}

/** gRPC's INTERNAL. */
const internal = 13;

/** Lets node daemons be as slow as if there were contents to copy, and fail to save some. */
function takeTime(nodes: NodeDaemons | undefined, speed = 1): void {
  const add = (fault: NodeFault): void => void nodes?.faults.add(fault);
  add({ method: "DisposeWorkspace", percent: 4, delayMs: 3000 / speed, code: internal, message: "upload to object storage failed: 503 Slow Down" });
  for (const [method, delayMs] of [["InitWorkspace", 5000], ["DisposeWorkspace", 4000], ["TakeSnapshot", 1500], ["BackupWorkspace", 1500]] as const) add({ method, delayMs: delayMs / speed });
}

/** The kubelet looks for faults on the pod. */
function strike({ store, namespace }: Cluster, id: string, fault: string): void {
  const pod = store.list("pods", namespace).find(({ metadata }) => metadata.labels?.[labels.workspaceId] === id);
  if (!pod) return;
  store.update("pods", namespace, pod.metadata.name, (draft) => {
    const metadata = record(draft["metadata"]);
    draft["metadata"] = { ...metadata, annotations: { ...record(metadata["annotations"]), [faultAnnotation]: fault } };
  });
}

async function nodeDaemonsOf({ nodeDaemons = true, wsdaemonPort, wsdaemonTls }: EmbeddedClusterOptions): Promise<NodeDaemonsOptions | false> {
  if (!nodeDaemons) return false;
  return { port: wsdaemonPort, tls: wsdaemonTls && (await tlsOf(wsdaemonTls)) };
}

async function tlsOf({ ca, crt, key }: NonNullable<EmbeddedClusterOptions["wsdaemonTls"]>): Promise<NodeDaemonsOptions["tls"]> {
  const read = async (flag: string, file: string): Promise<string> => (await readNamed(flag, file)).toString("utf8");
  return { ca: await read("--wsdaemon-tls-ca", ca), crt: await read("--wsdaemon-tls-cert", crt), key: await read("--wsdaemon-tls-key", key) };
}

/** The path of a kubeconfig in a folder that no one else can write to. It goes with the cluster, or with the process, which a second signal may end before the cluster is closed. */
function ownFile(ends: AsyncDisposableStack): string {
  const folder = mkdtempSync(join(tmpdir(), "wsmand-"));
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  process.once("exit", remove);
  ends.defer(() => {
    process.off("exit", remove);
    remove();
  });
  return join(folder, "kubeconfig");
}
