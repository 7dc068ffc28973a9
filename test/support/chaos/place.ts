/** The cluster of a fault test, as the test sees it and acts on it: the built-in one, or a real API server on which the parts of the built-in one play scheduler, kubelets and node daemons. */
import { randomBytes } from "node:crypto";
import { startEmbeddedCluster, type Kubelet } from "../../../src/embedded/index.ts";
import type { ClusterStore, KubeObject } from "../../../src/embedded/contract.ts";
import { kubeconfigOf } from "../../../src/embedded/apiserver/kubeconfig.ts";
import { systemClock } from "../../../src/domain/clock.ts";
import { startKubelet } from "../../../src/embedded/kubelet/index.ts";
import { record, records } from "../../../src/embedded/kubelet/json.ts";
import { seededRandom } from "../../../src/embedded/kubelet/random.ts";
import { NodeDaemons } from "../../../src/embedded/wsdaemon/fleet.ts";
import { messageOf } from "../../../src/domain/errors.ts";
import { readKubeconfig, type KubeConnection } from "../kubeconfig.ts";
import { ApiFailure, Player } from "../player.ts";
import { daemonKubeconfig } from "../rights.ts";
import { objectOf, pathOf } from "../remote/objects.ts";
import { RemoteStore } from "../remote/store.ts";
import { Ways, type Weather } from "./weather.ts";

/** What can be set about one. */
export interface PlaceOptions {
  readonly seed: number;
  readonly nodes: number;
  /** How much faster than life kubelets and node daemons are. */
  readonly speed: number;
  /** A kubeconfig file of a real API server; default: the built-in cluster. */
  readonly kubeconfig?: string | undefined;
}

/** A cluster that a fault test happens in. */
export interface Place {
  /** How its API server is reached. */
  readonly connection: KubeConnection;
  readonly namespace: string;
  /** By which daemons are known to it; undefined: it asks for none. */
  readonly daemonToken?: string | undefined;
  /** Pods, claims and Leases of the namespace, and nodes: to look at, and to lend a hand. */
  readonly store: ClusterStore;
  readonly kubelet: Kubelet;
  readonly nodes: NodeDaemons;
  /** What the API server can be made to do. */
  readonly weather: Weather;
  /** By which daemons come to a real API server, and where it is made to do that. */
  readonly ways?: Ways;
  /** What could not be played as it should, in words. */
  readonly troubles: readonly string[];
  /** Puts a pod there, with its status. Rejects if the API server refuses it. */
  create(pod: object): Promise<void>;
  /** The Lease, as the API server has it at this moment or later; undefined: there is none. */
  lease(): Promise<KubeObject | undefined>;
  /** Workspaces' pods and all claims that the API server has. */
  left(): Promise<readonly KubeObject[]>;
  /** Ends everything; on a real API server what was made there is taken away. */
  close(): Promise<void>;
}

/** In which replicas elect their leader. */
export const leaseName = "ws-manager-leader.gitpod.io";
/** Nodes that these tests made have it. */
const mark = "wsmand.dev/chaos";
const workspaces = "gpwsman=true";

/** Opens it. Rejects if a real API server can not be reached, or if its cluster has nodes. */
export function openPlace(options: PlaceOptions): Promise<Place> {
  return options.kubeconfig === undefined ? builtIn(options) : real(options, options.kubeconfig);
}

async function builtIn({ seed, nodes, speed }: PlaceOptions): Promise<Place> {
  const cluster = await startEmbeddedCluster({ kubelet: { speed, nodes, random: seededRandom(seed) }, nodeDaemons: {}, random: seededRandom(seed + 1) });
  const { store, kubelet, nodeDaemons, namespace } = cluster;
  if (!kubelet || !nodeDaemons) throw new Error("there are no kubelets or node daemons");
  return {
    connection: { url: cluster.url, namespace, insecure: true }, namespace, store, kubelet, nodes: nodeDaemons, weather: cluster.faults, troubles: [],
    create: async (pod) => void store.create("pods", pod, namespace),
    lease: async () => store.get("leases", namespace, leaseName),
    left: async () => [...store.list("pods", namespace).filter((pod) => pod.metadata.labels?.["gpwsman"] === "true"), ...store.list("persistentvolumeclaims", namespace)],
    close: () => cluster.close(),
  };
}

async function real({ seed, nodes, speed }: PlaceOptions, kubeconfig: string): Promise<Place> {
  const namespace = `chaos-${randomBytes(5).toString("hex")}`;
  const connection = { ...(await readKubeconfig(kubeconfig)), namespace };
  const player = new Player(connection, { connections: 64, timeoutMs: 30_000 });
  const troubles: string[] = [];
  const names = Array.from({ length: nodes }, (_, i) => `node-${i + 1}`);
  const ends: (() => unknown)[] = [() => player.close()];
  const close = async (): Promise<void> => {
    for (const end of ends.toReversed()) await end();
  };
  try {
    await refuseForeign(player);
    // Not before: nodes of others must stay.
    ends.push(() => leave(player, names));
    await player.ensureNamespace();
    const { token: daemonToken } = await readKubeconfig(await daemonKubeconfig(kubeconfig, namespace));
    for (const name of names) await player.ensureNode(name, { [mark]: "true" });
    // Who writes on a pod that is just gone is too late, as anywhere.
    const onError = (error: unknown): void => void (isMissing(error) || troubles.push(`the cluster could not be played: ${messageOf(error)}`));
    const store = await RemoteStore.open(player, onError);
    ends.push(() => store.close(), () => store.idle());
    const kubelet = startKubelet(store, { namespace, speed, random: seededRandom(seed), nodes: names.map((name) => ({ name, labels: { [mark]: "true" } })), onError });
    ends.push(() => kubelet.close());
    const daemons = await NodeDaemons.start({ store, clock: systemClock, namespace, nodes: names, random: seededRandom(seed + 1), onError });
    ends.push(() => daemons.close());
    const ways = new Ways(seededRandom(seed + 2), () => newestVersion(player));
    return {
      connection, namespace, daemonToken, store, kubelet, nodes: daemons, weather: ways, ways, troubles, close,
      create: (pod) => store.made("pods", pod),
      lease: () => player.request("GET", pathOf(player, "leases", leaseName)).then((lease) => objectOf("leases", lease), ignoreMissing),
      left: async () => (await Promise.all([listed(player, "pods", `?labelSelector=${workspaces}`), listed(player, "persistentvolumeclaims", "")])).flat(),
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** @throws Error if the cluster has nodes of its own: their kubelets and these here would get into each other's way. */
async function refuseForeign(player: Player): Promise<void> {
  const others = (await listed(player, "nodes", "")).filter(({ metadata }) => metadata.labels?.[mark] === undefined);
  if (others.length > 0) throw new Error(`the cluster has nodes (${others.slice(0, 3).map(({ metadata }) => metadata.name).join(", ")}): fault tests play scheduler and kubelets, so they need an API server that has none`);
}

/** Takes everything away again. Nothing here may be in the way of a report. */
async function leave(player: Player, names: readonly string[]): Promise<void> {
  await player.removeAll().catch(() => {});
  for (const path of [...names.map((name) => pathOf(player, "nodes", name)), `/api/v1/namespaces/${player.namespace}`]) await player.request("DELETE", path).catch(() => {});
}

async function listed(player: Player, resource: "pods" | "nodes" | "persistentvolumeclaims", query: string): Promise<readonly KubeObject[]> {
  return records((await player.request("GET", `${pathOf(player, resource)}${query}`))["items"]).map((item) => objectOf(resource, item));
}

async function newestVersion(player: Player): Promise<number> {
  return Number(record((await player.request("GET", `${pathOf(player, "pods")}?limit=1`))["metadata"])["resourceVersion"]);
}

function isMissing(error: unknown): boolean {
  return typeof error === "object" && error !== null && "code" in error && error.code === 404;
}

function ignoreMissing(error: unknown): undefined {
  if (!(error instanceof ApiFailure) || error.code !== 404) throw error;
  return undefined;
}

/** Text of a kubeconfig by which the API server is reached at another address, without TLS: by daemons, with their rights, or by people who may do everything. */
export function kubeconfigAt({ connection, daemonToken, namespace }: Place, url: string, who: "daemon" | "admin" = "daemon"): string {
  return kubeconfigOf({ url, namespace, token: who === "admin" ? connection.token : daemonToken });
}
