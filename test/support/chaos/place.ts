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
import { Belongings } from "./belongings.ts";
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
  /** Filled with what is made on a real API server, and emptied as that is taken away. */
  readonly belongings?: Belongings | undefined;
  /** Ends the opening: what was made until then is taken away. */
  readonly signal?: AbortSignal | undefined;
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
  /** Ends everything; on a real API server what was made there is taken away. Gives what stays there, in words; "" if nothing does. Idempotent. */
  close(): Promise<string>;
}

/** In which replicas elect their leader. */
export const leaseName = "ws-manager-leader.gitpod.io";
/** Nodes that these tests made have it. */
const mark = "wsmand.dev/chaos";
const workspaces = "gpwsman=true";

/** Pods that are taken away at once: as many as there are connections. */
const atOnce = 64;

/** Opens it. Rejects if a real API server can not be reached, if its cluster has nodes, or if the signal aborts. */
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
    close: () => cluster.close().then(() => ""),
  };
}

async function real({ seed, nodes, speed, belongings = new Belongings(), signal }: PlaceOptions, kubeconfig: string): Promise<Place> {
  const namespace = `chaos-${randomBytes(5).toString("hex")}`;
  const connection = { ...(await readKubeconfig(kubeconfig)), namespace };
  const player = new Player(connection, { connections: atOnce, timeoutMs: 30_000 });
  const troubles: string[] = [];
  const names = Array.from({ length: nodes }, (_, i) => `node-${i + 1}`);
  const ends: (() => unknown)[] = [() => player.close()];
  const end = async (): Promise<string> => {
    // One that fails keeps none of the others from ending, and nothing here may be in the way of a report.
    for (const each of ends.toReversed()) await Promise.resolve().then(each).catch((error: unknown) => belongings.failed(error));
    return belongings.words();
  };
  let ended: Promise<string> | undefined;
  const close = (): Promise<string> => (ended ??= end());
  try {
    await refuseForeign(player);
    signal?.throwIfAborted();
    // Not before: nodes of others must stay.
    ends.push(() => leave(player, belongings));
    belongings.namespace = namespace;
    await player.ensureNamespace();
    const { token: daemonToken } = await readKubeconfig(await daemonKubeconfig(kubeconfig, namespace));
    for (const name of names) {
      signal?.throwIfAborted();
      belongings.nodes.add(name);
      await player.ensureNode(name, { [mark]: "true" });
    }
    // Who writes on a pod that is just gone is too late, as anywhere.
    const onError = (error: unknown): void => void (isMissing(error) || troubles.push(`the cluster could not be played: ${messageOf(error)}`));
    const store = await RemoteStore.open(player, onError);
    ends.push(() => store.close(), () => store.idle());
    const kubelet = startKubelet(store, { namespace, speed, random: seededRandom(seed), nodes: names.map((name) => ({ name, labels: { [mark]: "true" } })), onError });
    ends.push(() => kubelet.close());
    const daemons = await NodeDaemons.start({ store, clock: systemClock, namespace, nodes: names, random: seededRandom(seed + 1), onError });
    ends.push(() => daemons.close());
    signal?.throwIfAborted();
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

/** Takes everything away again, as far as that can be done. The namespace goes before its pods: from then on no others are made. */
async function leave(player: Player, belongings: Belongings): Promise<void> {
  const { namespace } = belongings;
  for (const name of belongings.nodes) if (await isGone(player, pathOf(player, "nodes", name), belongings)) belongings.nodes.delete(name);
  if (namespace === undefined) return;
  if (await isGone(player, `/api/v1/namespaces/${namespace}`, belongings)) belongings.namespace = undefined;
  belongings.pods = { namespace, left: undefined };
  const names = (await listed(player, "pods", "")).map(({ metadata }) => metadata.name);
  const pods = (belongings.pods = { namespace, left: names.length });
  const remove = async (): Promise<void> => {
    for (let name = names.pop(); name !== undefined; name = names.pop()) await player.remove(name).then(() => pods.left--, (error: unknown) => belongings.failed(error));
  };
  await Promise.all(Array.from({ length: atOnce }, remove));
}

/** Deletes something that may be there. */
async function isGone(player: Player, path: string, belongings: Belongings): Promise<boolean> {
  try {
    await player.request("DELETE", path);
  } catch (error) {
    if (isMissing(error)) return true;
    belongings.failed(error);
    return false;
  }
  return true;
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
