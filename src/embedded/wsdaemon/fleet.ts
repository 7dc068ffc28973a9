/** The node daemons of the built-in cluster: one on each node, each with its pod, which it lives and dies with. */
import type { Clock } from "../../domain/clock.ts";
import type { ClusterStore, KubeObject } from "../contract.ts";
import { hasEnded } from "../kubelet/scheduler.ts";
import { text, record } from "../kubelet/json.ts";
import { nodeFaults } from "./faults.ts";
import type { NodeFaults } from "./faults.ts";
import type { EmbeddedNodeDaemon, NodeDaemonTls } from "./index.ts";
import type { ContentOrigin } from "./contents.ts";
import { listen, type ListenOptions } from "./listeners.ts";
import { daemonPod, daemonPodName, isReady } from "./pods.ts";
import { ObjectStorage } from "./storage.ts";

/** How node daemons are reached. */
export interface NodeDaemonsOptions {
  /** Of all of them; default: a free one. */
  readonly port?: number | undefined;
  /** Default: no TLS. */
  readonly tls?: NodeDaemonTls | undefined;
  /** One daemon for all nodes on 127.0.0.1. Default: only where the system has no other loopback addresses. */
  readonly shared?: boolean | undefined;
  /** Starts them in another way than on ports, for callers in this process. */
  readonly listen?: ((options: ListenOptions) => Promise<readonly EmbeddedNodeDaemon[]>) | undefined;
}

/** What they need of the cluster. */
export interface FleetDeps {
  readonly store: ClusterStore;
  readonly clock: Clock;
  /** That of the workspaces: there their manager looks for node daemons. */
  readonly namespace: string;
  /** Names of the nodes. */
  readonly nodes: readonly string[];
  readonly random: () => number;
  /** Hears of failures, which stop nothing. */
  readonly onError: (error: unknown) => void;
}

/** A pod that is gone is made anew after this time, and one that can not be made after the other; milliseconds. */
const againMs = 200;
const retryMs = 5_000;

/** The running node daemons. */
export class NodeDaemons {
  /** Of all of them. */
  readonly port: number;
  readonly daemons: readonly EmbeddedNodeDaemon[];
  readonly storage: ObjectStorage;
  readonly faults: NodeFaults;
  readonly #deps: FleetDeps;
  /** By the name of their pod. */
  readonly #places = new Map<string, { readonly node: string; readonly daemon: EmbeddedNodeDaemon }>();
  /** Names of the pods that are ready. */
  readonly #ready = new Set<string>();
  readonly #timers = new Map<string, () => void>();
  readonly #unsubscribe: () => void;

  private constructor(deps: FleetDeps, daemons: readonly EmbeddedNodeDaemon[], own: { readonly storage: ObjectStorage; readonly faults: NodeFaults }) {
    this.#deps = deps;
    this.daemons = daemons;
    this.port = daemons[0]?.port ?? 0;
    this.storage = own.storage;
    this.faults = own.faults;
    for (const daemon of daemons) {
      daemon.service.setServing(false);
      for (const node of daemon.service.nodes) this.#places.set(daemonPodName(node), { node, daemon });
    }
    this.#unsubscribe = deps.store.subscribe("pods", (type, pod) => this.#podChanged(pod, type === "DELETED"));
    for (const name of this.#places.keys()) this.#create(name);
  }

  /** Starts them, and makes their pods. Rejects if they can not listen. */
  static async start(deps: FleetDeps, { listen: begin = listen, ...options }: NodeDaemonsOptions = {}): Promise<NodeDaemons> {
    const own = { storage: new ObjectStorage(), faults: nodeFaults(deps.random) };
    const daemons = deps.nodes.length === 0 ? [] : await begin({ ...options, ...own, clock: deps.clock, nodes: deps.nodes });
    return new NodeDaemons(deps, daemons, own);
  }

  /** The daemon of a node; undefined for a node that has none. */
  on(node: string): EmbeddedNodeDaemon | undefined {
    return this.#places.get(daemonPodName(node))?.daemon;
  }

  /** Puts a workspace's content on a node, as a call would. Does nothing if there is no such node, or it has that content. */
  adopt(node: string, origin: ContentOrigin): void {
    const contents = this.on(node)?.service.contents;
    if (!contents || contents.get(origin.id)) return;
    try {
      contents.put(origin);
    } catch (error) {
      this.#deps.onError(error);
    }
  }

  /** Takes it away again, with a backup if asked for. */
  release(node: string, id: string, backup: boolean): void {
    this.on(node)?.service.contents.remove(id, backup);
  }

  /** Ends all. The pods stay as they are. */
  close(): void {
    this.#unsubscribe();
    for (const cancel of this.#timers.values()) cancel();
    this.#timers.clear();
    for (const daemon of this.daemons) daemon.close();
  }

  #podChanged(pod: KubeObject, deleted: boolean): void {
    const { name, namespace } = pod.metadata;
    const place = namespace === this.#deps.namespace ? this.#places.get(name) : undefined;
    if (!place) return;
    const { daemon, node } = place;
    if (!deleted && isReady(pod) && text(record(pod["spec"])["nodeName"]) === node) this.#ready.add(name);
    else this.#ready.delete(name);
    daemon.service.setServing(daemon.service.nodes.some((served) => this.#ready.has(daemonPodName(served))));
    // As the controller of a DaemonSet does.
    if (deleted) this.#later(name, againMs, () => this.#create(name));
    else if (hasEnded(pod)) this.#later(name, againMs, () => this.#deps.store.delete("pods", namespace ?? "", name, { gracePeriodSeconds: 0, uid: pod.metadata.uid }));
  }

  #create(name: string): void {
    const { store, namespace, onError } = this.#deps;
    const place = this.#places.get(name);
    if (!place) return;
    try {
      const known = store.get("pods", namespace, name);
      if (known) this.#podChanged(known, false);
      else store.create("pods", daemonPod({ node: place.node, namespace, host: place.daemon.host, port: this.port }), namespace);
    } catch (error) {
      onError(error);
      this.#later(name, retryMs, () => this.#create(name));
    }
  }

  /** One thing at a time is to come for each pod. */
  #later(name: string, ms: number, action: () => void): void {
    this.#timers.get(name)?.();
    const cancel = this.#deps.clock.timer(ms, () => {
      this.#timers.delete(name);
      try {
        action();
      } catch (error) {
        this.#deps.onError(error);
      }
    });
    this.#timers.set(name, cancel);
  }
}
