/** The built-in cluster's scheduler and kubelets: brings the pods in a store to life, with faults on demand. */
import type { ClusterStore, KubeObject } from "../contract.ts";
import { NodeAgent } from "./agent.ts";
import type { RunDeps } from "./agent.ts";
import { startClaims } from "./claims.ts";
import { setConditions } from "./conditions.ts";
import { EventRecorder } from "./events.ts";
import { faultAnnotation, parseFaults } from "./faults.ts";
import type { Fault } from "./faults.ts";
import { ownText, record, text, timestamp } from "./json.ts";
import { Ledger } from "./ledger.ts";
import { createNode, markLost, markReturned, nodeAddress, unreachableToleration } from "./nodes.ts";
import { resolveOptions } from "./options.ts";
import type { KubeletOptions, ResolvedOptions } from "./options.ts";
import { PodRun } from "./pod-run.ts";
import { keyOf, Scheduler } from "./scheduler.ts";

export { faultAnnotation } from "./faults.ts";
export type { KubeletOptions, Timings } from "./options.ts";
export type { NodeSpec } from "./nodes.ts";
export { seededRandom } from "./random.ts";
export type { Random } from "./random.ts";

/** The running scheduler and kubelets. Pods are named by their name in the namespace of the options, or by `namespace/name`. */
export interface Kubelet {
  /** Names of the nodes. */
  readonly nodes: readonly string[];
  /** Lets faults strike, written as in the annotation: those of a start take effect at the next start, others at once. Throws RangeError for an unknown pod or fault. */
  fault(pod: string, faults: string): void;
  /** Evicts the pod for lack of memory. */
  evict(pod: string): void;
  /** Kills the pod's container for its memory. */
  oom(pod: string): void;
  /** Ends the pod's container with an exit code. */
  crash(pod: string, exitCode: number): void;
  /** Nothing more is heard of the node and its pods; after their toleration (default 5 minutes) the pods are marked for deletion. Throws RangeError for an unknown node. */
  loseNode(name: string): void;
  /** The node is back and catches up. */
  returnNode(name: string): void;
  /** Stops everything. The objects stay as they are. */
  close(): void;
}

/** Starts scheduler and kubelets on the store: creates the nodes, takes over the pods that are there, and follows changes. */
export function startKubelet(store: ClusterStore, options: KubeletOptions): Kubelet {
  return new KubeletSet(store, resolveOptions(options));
}

class KubeletSet implements Kubelet {
  readonly #options: ResolvedOptions;
  readonly #store: ClusterStore;
  readonly #deps: RunDeps;
  readonly #scheduler: Scheduler;
  readonly #agents = new Map<string, NodeAgent>();
  readonly #runs = new Map<string, PodRun>();
  /** The fault annotation last seen on a pod. */
  readonly #annotated = new Map<string, string>();
  /** The same of a node, of which there is one fault: `lost`. */
  readonly #annotatedNodes = new Map<string, string>();
  readonly #stops: (() => void)[] = [];
  /** Ends the waiting for a lost node's pods, per node. */
  readonly #evictions = new Map<string, (() => void)[]>();

  constructor(store: ClusterStore, options: ResolvedOptions) {
    this.#store = store;
    this.#options = options;
    const { clock, random, timings, onError } = options;
    const events = new EventRecorder(store, options.wallClock, { maxEvents: options.maxEvents, ttlMs: options.eventTtlMs }, onError);
    const ledger = new Ledger();
    this.#deps = { store, clock, random, events, ledger, timings, onError };
    this.#scheduler = new Scheduler({ store, clock, ledger, events, onError, names: options.schedulerNames, maxWaiting: options.maxWaiting });
    options.nodes.forEach((spec, index) => {
      createNode(store, clock, spec, index, options.namespace);
      this.#agents.set(spec.name, new NodeAgent(spec.name, nodeAddress(index), index));
    });
    for (const node of store.list("nodes")) this.#scheduler.nodeChanged(node);
    this.#stops.push(store.subscribe("nodes", (type, node) => (type === "DELETED" ? this.#scheduler.nodeGone(node) : this.#nodeChanged(node))));
    this.#stops.push(store.subscribe("pods", (type, pod) => (type === "DELETED" ? this.#podGone(pod) : this.#podChanged(pod))));
    for (const pod of store.list("pods")) this.#podChanged(pod);
    this.#stops.push(startClaims({ store, onError }));
  }

  get nodes(): readonly string[] {
    return [...this.#agents.keys()];
  }

  fault(pod: string, faults: string): void {
    const parsed = parseFaults(faults);
    if (parsed.unknown.length > 0 || parsed.faults.length === 0) throw new RangeError(`no such fault: ${parsed.unknown.join(", ") || faults}`);
    for (const fault of parsed.faults) this.#addFault(pod, fault);
  }

  evict(pod: string): void {
    this.#addFault(pod, { name: "evict", argument: "" });
  }

  oom(pod: string): void {
    this.#addFault(pod, { name: "oom", argument: "" });
  }

  crash(pod: string, exitCode: number): void {
    this.#addFault(pod, { name: "crash", argument: String(exitCode) });
  }

  loseNode(name: string): void {
    const agent = this.#agent(name);
    if (agent.lost) return;
    agent.lose();
    markLost(this.#store, this.#deps.clock, name);
    this.#evictions.set(name, this.#podsOn(name).flatMap((pod) => this.#leave(pod)));
  }

  returnNode(name: string): void {
    const agent = this.#agent(name);
    if (!agent.lost) return;
    for (const cancel of this.#evictions.get(name) ?? []) cancel();
    this.#evictions.delete(name);
    markReturned(this.#store, this.#deps.clock, name);
    agent.return();
    for (const pod of this.#podsOn(name)) this.#reportAgain(this.#runs.get(keyOf(pod)));
  }

  close(): void {
    for (const stop of this.#stops) stop();
    for (const cancels of this.#evictions.values()) for (const cancel of cancels) cancel();
    for (const run of this.#runs.values()) run.close();
    this.#runs.clear();
    this.#scheduler.close();
    this.#deps.events.close();
  }

  #nodeChanged(node: KubeObject): void {
    this.#scheduler.nodeChanged(node);
    const { name, annotations } = node.metadata;
    const asked = ownText(annotations, faultAnnotation) ?? "";
    if (!this.#agents.has(name) || asked === (this.#annotatedNodes.get(name) ?? "")) return;
    this.#annotatedNodes.set(name, asked);
    // Not while the store tells of the change: by then the node may be gone.
    this.#deps.clock.timer(0, () => {
      try {
        if (asked === "lost") this.loseNode(name);
        else this.returnNode(name);
      } catch (error) {
        this.#deps.onError(error);
      }
    });
  }

  #agent(name: string): NodeAgent {
    const agent = this.#agents.get(name);
    if (!agent) throw new RangeError(`no such node: ${name}`);
    return agent;
  }

  #reportAgain(run: PodRun | undefined): void {
    run?.timeline.later(0, () => run.write());
  }

  #addFault(pod: string, fault: Fault): void {
    const run = this.#runs.get(pod.includes("/") ? pod : `${this.#options.namespace}/${pod}`);
    if (!run) throw new RangeError(`no pod ${pod} on any node of the built-in cluster`);
    run.addFault(fault);
  }

  #podsOn(node: string): readonly KubeObject[] {
    return this.#store.list("pods").filter((pod) => record(pod["spec"])["nodeName"] === node);
  }

  /** The node controller's part for a pod on a lost node: not ready at once, deleted once it has waited long enough. */
  #leave(pod: KubeObject): (() => void)[] {
    const { namespace = "", name, uid } = pod.metadata;
    const { clock, events, onError } = this.#deps;
    const at = timestamp(clock.now());
    this.#store.update("pods", namespace, name, (draft) => {
      const status = record(draft["status"]);
      draft["status"] = { ...status, conditions: setConditions(status["conditions"], [{ type: "Ready", status: "False" }], at) };
    });
    events.record(pod, { type: "Warning", reason: "NodeNotReady", message: "Node is not ready", component: "node-controller" });
    const tolerated = unreachableToleration(pod["spec"]);
    if (tolerated === undefined) return [];
    const evict = (): void => {
      const current = this.#store.get("pods", namespace, name);
      if (current?.metadata.uid !== uid || current.metadata.deletionTimestamp !== undefined) return;
      this.#store.delete("pods", namespace, name, { uid });
    };
    return [clock.timer(tolerated, () => { try { evict(); } catch (error) { onError(error); } })];
  }

  #podChanged(pod: KubeObject): void {
    this.#scheduler.podChanged(pod);
    const key = keyOf(pod);
    const known = this.#runs.get(key);
    if (known && !known.isFor(pod)) this.#drop(key);
    const run = this.#runs.get(key) ?? this.#begin(key, pod);
    if (!run) return;
    this.#takeFaults(key, run, pod);
    if (pod.metadata.deletionTimestamp !== undefined) run.terminate(pod);
  }

  #begin(key: string, pod: KubeObject): PodRun | undefined {
    const agent = this.#agents.get(text(record(pod["spec"])["nodeName"]));
    if (!agent) return undefined;
    const run = new PodRun(this.#deps, agent, pod, key);
    this.#runs.set(key, run);
    this.#takeFaults(key, run, pod);
    run.start();
    return run;
  }

  #takeFaults(key: string, run: PodRun, pod: KubeObject): void {
    const asked = ownText(pod.metadata.annotations, faultAnnotation) ?? "";
    if (asked === (this.#annotated.get(key) ?? "")) return;
    this.#annotated.set(key, asked);
    const { faults, unknown } = parseFaults(asked);
    run.setFaults(faults);
    if (unknown.length > 0) run.note("Warning", "UnknownFault", `there is no such fault: ${unknown.join(", ")}`);
  }

  #podGone(pod: KubeObject): void {
    this.#scheduler.podGone(pod);
    if (this.#runs.get(keyOf(pod))?.isFor(pod)) this.#drop(keyOf(pod));
  }

  #drop(key: string): void {
    this.#runs.get(key)?.close();
    this.#runs.delete(key);
    this.#annotated.delete(key);
  }
}
