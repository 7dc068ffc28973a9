/** The built-in cluster of a simulation: API server, scheduler, kubelets and node daemons in this process, on virtual time, without a port. */
import { startEmbeddedCluster, type EmbeddedCluster, type Handler } from "../../../src/embedded/index.ts";
import { hex, type Random } from "../../../src/embedded/kubelet/random.ts";
import { record, text } from "../../../src/embedded/kubelet/json.ts";
import type { NodeDaemons } from "../../../src/embedded/wsdaemon/fleet.ts";
import { loopbackAddress } from "../../../src/embedded/wsdaemon/listeners.ts";
import { NodeDaemonService } from "../../../src/embedded/wsdaemon/service.ts";
import type { VirtualClock } from "../virtual-clock.ts";
import type { Plan } from "./plan.ts";

/** Port of all node daemons. */
export const nodePort = 8080;

/** The cluster, and the ways into it. */
export interface SimulatedCluster {
  readonly cluster: EmbeddedCluster;
  readonly nodes: NodeDaemons;
  readonly handler: Handler;
  /** The daemon at an address. */
  readonly daemonAt: (address: string) => NodeDaemonService | undefined;
  /** Volume snapshots that are asked for from now on never become ready, until what this gives is called. */
  readonly failSnapshots: () => () => void;
}

/** How often bookmarks come, milliseconds, by what goes on by itself. */
const bookmarkMs: Readonly<Record<Plan["upkeep"], number>> = { usual: 80_000, rare: 900_000 };

/** Starts it. */
export async function startSimulatedCluster(clock: VirtualClock, { nodes, upkeep }: Pick<Plan, "nodes" | "upkeep">, source: (name: string) => Random): Promise<SimulatedCluster> {
  let handler: Handler | undefined;
  const daemons = new Map<string, NodeDaemonService>();
  const uids = source("uids");
  const cluster = await startEmbeddedCluster({
    clock, random: source("faults"), bookmarkIntervalMs: bookmarkMs[upkeep],
    identities: { uid: () => [8, 4, 4, 4, 12].map((digits) => hex(uids, digits)).join("-"), suffix: () => hex(uids, 5) },
    entrance: (given) => {
      handler = given;
      return { port: 0, start: () => Promise.resolve(), stop: () => Promise.resolve() };
    },
    kubelet: { nodes, random: source("kubelet") },
    nodeDaemons: {
      listen: ({ nodes: names, ...options }) => Promise.resolve(names.map((node, index) => {
        const service = new NodeDaemonService({ ...options, nodes: [node] });
        daemons.set(`${loopbackAddress(index)}:${nodePort}`, service);
        return { service, host: loopbackAddress(index), port: nodePort, close: () => service.setServing(false) };
      })),
    },
  });
  if (!handler || !cluster.nodeDaemons) throw new Error("the cluster is not complete");
  const failSnapshots = takeSnapshots(cluster, clock, source("snapshots"));
  return { cluster, nodes: cluster.nodeDaemons, handler, daemonAt: (address) => daemons.get(address), failSnapshots };
}

/** As the controller of a storage system does: each snapshot that is asked for becomes ready after a while, but not while that fails. */
function takeSnapshots({ store }: EmbeddedCluster, clock: VirtualClock, random: Random): SimulatedCluster["failSnapshots"] {
  let failing = 0;
  store.subscribe("volumesnapshots", (type, { metadata: { name } }) => {
    if (type !== "ADDED" || failing > 0) return;
    clock.timer(1_000 + random() * 60_000, () => {
      const snapshot = store.get("volumesnapshots", "default", name);
      if (!snapshot || text(record(snapshot["status"])["boundVolumeSnapshotContentName"]) !== "") return;
      store.create("volumesnapshotcontents", { metadata: { name: `content-${name}` }, spec: {}, status: { snapshotHandle: `handle-${name}` } }, "");
      store.update("volumesnapshots", "default", name, (draft) => void (draft["status"] = { readyToUse: true, boundVolumeSnapshotContentName: `content-${name}` }));
    });
  });
  return () => {
    failing++;
    return () => void failing--;
  };
}
