/** The built-in cluster as the commands start it: with scheduler, kubelets, node daemons, what workspaces name, demo workspaces, and in files a kubeconfig and, where it is wanted, a configuration. */
import { mkdtempSync, rmSync } from "node:fs";
import { writeFile } from "node:fs/promises";
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

/** Starts it. Rejects if it can not listen, a file of it can not be written, or a certificate can not be read. */
export async function startLocalCluster(options: EmbeddedClusterOptions): Promise<EmbeddedCluster> {
  const { port, namespace, nodes, speed, demo = 0, schedulerName } = options;
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
  addNamed(cluster);
  const files = await writeFiles(cluster, options, ownFiles(starting));
  const started = starting.move();
  return { url: cluster.url, ...files, nodeDaemonPort: cluster.nodeDaemons?.port, strike: (id, fault) => strike(cluster, id, fault), close: () => started.disposeAsync() };
}

/** What pods of workspaces name, and so every installation has: their service account, and for image builds the registry facade's authority. */
function addNamed({ store, namespace }: Cluster): void {
  store.create("serviceaccounts", { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "workspace" } }, namespace);
  const nobody = Buffer.from("No registry facade is here, and so no certificate: containers of the built-in cluster do not run.\n").toString("base64");
  store.create("secrets", { apiVersion: "v1", kind: "Secret", metadata: { name: "builtin-registry-facade-cert" }, type: "Opaque", data: { "ca.crt": nobody } }, namespace);
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

/** Writes a kubeconfig and, where it is wanted, a configuration. A file of the user's choice stays. @param own paths of those of ours. */
async function writeFiles(cluster: Cluster, { kubeconfigPath: chosen, configFor }: EmbeddedClusterOptions, own: (name: string) => string): Promise<Pick<EmbeddedCluster, "kubeconfigPath" | "configPath">> {
  const kubeconfigPath = chosen ?? own("kubeconfig");
  await cluster.writeKubeconfig(kubeconfigPath).catch((error: unknown) => {
    throw unwritable(chosen === undefined ? "kubeconfig" : "--kubeconfig-path", kubeconfigPath, error);
  });
  if (!configFor) return { kubeconfigPath };
  const configPath = own("config.json");
  await writeFile(configPath, `${JSON.stringify(configFor(cluster.nodeDaemons?.port), undefined, 2)}\n`).catch((error: unknown) => {
    throw unwritable("configuration", configPath, error);
  });
  return { kubeconfigPath, configPath };
}

/** Paths of files of ours. Their folder is made for the first: a read-only file system need not have a place for it. */
function ownFiles(ends: AsyncDisposableStack): (name: string) => string {
  let folder: string | undefined;
  return (name) => join((folder ??= ownFolder(ends)), name);
}

/** A folder that no one else can look into or write to. It goes with the cluster, or with the process, which a second signal may end before the cluster is closed. */
function ownFolder(ends: AsyncDisposableStack): string {
  const folder = mkdtempSync(join(tmpdir(), "wsmand-"));
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  process.once("exit", remove);
  ends.defer(() => {
    process.off("exit", remove);
    remove();
  });
  return folder;
}
