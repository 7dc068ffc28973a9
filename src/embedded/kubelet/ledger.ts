/** The nodes and what is taken of them: shared by the scheduler, which places pods, and the kubelet, which admits them. */
import type { KubeObject } from "../contract.ts";
import type { NodeTraits, Taint } from "./affinity.ts";
import { record, records, text } from "./json.ts";
import { combine, noResources, resourceKeys, resourcesOf } from "./quantity.ts";
import type { ResourceKey, Resources } from "./quantity.ts";

/** A node as the scheduler sees it. */
export interface NodeState extends NodeTraits {
  readonly ready: boolean;
  readonly unschedulable: boolean;
  readonly allocatable: Resources;
  /** Sum of the requests of the pods on it that have not ended. */
  used: Resources;
}

/** Says which resource is short, and by which figures. */
export interface Shortage {
  readonly resource: ResourceKey;
  readonly requested: number;
  readonly used: number;
  readonly capacity: number;
}

/** Counts pods against nodes. A pod on a node that is not known (yet) is counted once the node comes. */
export class Ledger {
  readonly #nodes = new Map<string, NodeState>();
  readonly #placed = new Map<string, { node: string; requests: Resources }>();

  /** All nodes, in the order in which they came. */
  nodes(): Iterable<NodeState> {
    return this.#nodes.values();
  }

  /** How many nodes there are. */
  get size(): number {
    return this.#nodes.size;
  }

  /** Adds a node or takes its new labels, taints, conditions and capacity. @returns whether something changed that can make room for a pod. */
  setNode(object: KubeObject): boolean {
    const next = nodeState(object);
    const known = this.#nodes.get(next.name);
    next.used = known?.used ?? this.#usedOn(next.name);
    this.#nodes.set(next.name, next);
    return known === undefined || JSON.stringify({ ...known, used: 0 }) !== JSON.stringify({ ...next, used: 0 });
  }

  /** Forgets a node. */
  removeNode(name: string): void {
    this.#nodes.delete(name);
  }

  /** Whether a pod is counted. */
  has(pod: string): boolean {
    return this.#placed.has(pod);
  }

  /** Counts a pod on a node; counting it again changes nothing. */
  place(pod: string, node: string, requests: Resources): void {
    if (this.#placed.has(pod)) return;
    this.#placed.set(pod, { node, requests });
    this.#add(node, requests, 1);
  }

  /** Gives back what a pod took. @returns whether it had taken anything. */
  release(pod: string): boolean {
    const placed = this.#placed.get(pod);
    if (!placed) return false;
    this.#placed.delete(pod);
    this.#add(placed.node, placed.requests, -1);
    return true;
  }

  /** The resource of which a pod on its node asks more than the others there leave; undefined if there is enough. */
  shortage(pod: string): Shortage | undefined {
    const placed = this.#placed.get(pod);
    const node = placed && this.#nodes.get(placed.node);
    if (!placed || !node) return undefined;
    const resource = resourceKeys.find((key) => placed.requests[key] > 0 && node.used[key] > node.allocatable[key]);
    if (!resource) return undefined;
    return { resource, requested: placed.requests[resource], used: node.used[resource] - placed.requests[resource], capacity: node.allocatable[resource] };
  }

  #add(name: string, requests: Resources, sign: 1 | -1): void {
    const node = this.#nodes.get(name);
    if (node) node.used = combine(node.used, requests, (used, amount) => used + sign * amount);
  }

  #usedOn(name: string): Resources {
    let used = noResources;
    for (const placed of this.#placed.values()) if (placed.node === name) used = combine(used, placed.requests, (a, b) => a + b);
    return used;
  }
}

function nodeState(object: KubeObject): NodeState {
  const spec = record(object["spec"]);
  const status = record(object["status"]);
  const taints: Taint[] = records(spec["taints"]).map((taint) => ({ key: text(taint["key"]), value: text(taint["value"]), effect: text(taint["effect"]) }));
  return {
    name: object.metadata.name,
    labels: record(object.metadata.labels),
    taints,
    ready: records(status["conditions"]).some((condition) => condition["type"] === "Ready" && condition["status"] === "True"),
    unschedulable: spec["unschedulable"] === true,
    allocatable: resourcesOf(status["allocatable"], 0),
    used: noResources,
  };
}
