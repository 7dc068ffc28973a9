/**
 * Binds pending pods to nodes, driven by changes alone.
 * Pods that ask for the same thing form a group: when room appears, one pod per group is tried, so a thousand waiting pods cost what one costs.
 */
import type { Clock } from "../../domain/clock.ts";
import type { ClusterStore, KubeObject } from "../contract.ts";
import { matchesAffinity, untoleratedTaint } from "./affinity.ts";
import { setConditions } from "./conditions.ts";
import type { EventRecorder } from "./events.ts";
import { record, text, timestamp } from "./json.ts";
import type { Json } from "./json.ts";
import type { Ledger, NodeState } from "./ledger.ts";
import { podRequests, resourceKeys } from "./quantity.ts";
import type { Resources } from "./quantity.ts";

/** What the scheduler works with. */
export interface SchedulerDeps {
  readonly store: ClusterStore;
  readonly clock: Clock;
  readonly ledger: Ledger;
  readonly events: EventRecorder;
  readonly onError: (error: unknown) => void;
  /** Pods that ask for another scheduler than these are left alone. */
  readonly names: readonly string[];
  /** Most pods remembered while they wait; when more come they are looked up again once there are fewer. */
  readonly maxWaiting: number;
}

interface Waiting {
  readonly namespace: string;
  readonly name: string;
  readonly group: string;
  readonly requests: Resources;
}

/** Most pods bound before other work of the thread gets its turn. */
const batch = 128;

/** The key of an object in this process. */
export function keyOf(object: KubeObject): string {
  return `${object.metadata.namespace ?? ""}/${object.metadata.name}`;
}

/** Name of the scheduler that a pod asks for. */
function schedulerOf(spec: Json): string {
  return text(spec["schedulerName"]) || "default-scheduler";
}

/** Whether a pod has ended and takes no more room. */
export function hasEnded(pod: KubeObject): boolean {
  const phase = record(pod["status"])["phase"];
  return phase === "Succeeded" || phase === "Failed";
}

/** The scheduler. */
export class Scheduler {
  readonly #deps: SchedulerDeps;
  /** Pods not yet tried, in the order in which they came. */
  readonly #fresh = new Map<string, Waiting>();
  /** Pods that fitted nowhere, by group. */
  readonly #stuck = new Map<string, Map<string, Waiting>>();
  #stuckCount = 0;
  #overflowed = false;
  /** Groups to be tried again, since room appeared. */
  #retry: string[] = [];
  #cancel: (() => void) | undefined;

  constructor(deps: SchedulerDeps) {
    this.#deps = deps;
  }

  /** Takes notice of a pod that came or changed. */
  podChanged(pod: KubeObject): void {
    const key = keyOf(pod);
    const spec = record(pod["spec"]);
    const node = text(spec["nodeName"]);
    if (node !== "" && !hasEnded(pod) && !this.#deps.ledger.has(key)) this.#deps.ledger.place(key, node, podRequests(pod));
    if (node === "" && pod.metadata.deletionTimestamp === undefined && !hasEnded(pod)) this.#enqueue(key, pod, spec);
    else this.#forget(key);
    if (hasEnded(pod)) this.#released(key);
  }

  /** Takes notice of a pod that is gone. */
  podGone(pod: KubeObject): void {
    const key = keyOf(pod);
    this.#forget(key);
    this.#released(key);
  }

  /** Takes notice of a node that came or changed. */
  nodeChanged(node: KubeObject): void {
    if (this.#deps.ledger.setNode(node)) this.#room();
  }

  /** Takes notice of a node that is gone. */
  nodeGone(node: KubeObject): void {
    this.#deps.ledger.removeNode(node.metadata.name);
  }

  /** How many pods wait, tried or not. */
  get waiting(): number {
    return this.#fresh.size + this.#stuckCount;
  }

  /** Stops. */
  close(): void {
    this.#cancel?.();
    this.#fresh.clear();
    this.#stuck.clear();
  }

  #enqueue(key: string, pod: KubeObject, spec: Json): void {
    if (this.#fresh.has(key) || !this.#deps.names.includes(schedulerOf(spec))) return;
    const requests = podRequests(pod);
    const group = JSON.stringify([requests, spec["nodeSelector"], spec["affinity"], spec["tolerations"]]);
    if (this.#stuck.get(group)?.has(key)) return;
    if (this.waiting >= this.#deps.maxWaiting) {
      this.#overflowed = true;
      return;
    }
    this.#fresh.set(key, { namespace: pod.metadata.namespace ?? "", name: pod.metadata.name, group, requests });
    this.#arm();
  }

  #forget(key: string): void {
    this.#fresh.delete(key);
    if (this.#stuckCount === 0) return;
    for (const pods of this.#stuck.values()) if (pods.delete(key)) this.#stuckCount--;
    if (this.#overflowed) this.#arm();
  }

  #released(key: string): void {
    if (this.#deps.ledger.release(key)) this.#room();
  }

  #room(): void {
    if (this.#stuckCount === 0) return;
    this.#retry = [...this.#stuck.keys()];
    this.#arm();
  }

  #arm(): void {
    this.#cancel ??= this.#deps.clock.timer(0, () => {
      this.#cancel = undefined;
      this.#drain();
    });
  }

  #drain(): void {
    let left = batch;
    while (left > 0 && this.#retry.length > 0) left -= this.#retryGroup(this.#retry.pop() ?? "", left);
    this.#tryFresh(left);
    if (this.#fresh.size > 0 || this.#retry.length > 0) this.#arm();
    else if (this.#overflowed && this.waiting < this.#deps.maxWaiting / 2) this.#lookAgain();
  }

  #tryFresh(limit: number): void {
    let left = limit;
    for (const [key, waiting] of this.#fresh) {
      if (left-- <= 0) return;
      this.#fresh.delete(key);
      if (!this.#try(key, waiting)) this.#shelve(key, waiting);
    }
  }

  /** Tries the pods of a group until one does not fit. @returns how many were tried. */
  #retryGroup(group: string, limit: number): number {
    const pods = this.#stuck.get(group);
    let tried = 0;
    for (const [key, waiting] of pods ?? []) {
      if (tried++ >= limit) {
        this.#retry.push(group);
        break;
      }
      if (!this.#try(key, waiting)) break;
      if (pods?.delete(key)) this.#stuckCount--;
    }
    if (pods?.size === 0) this.#stuck.delete(group);
    return Math.max(tried, 1);
  }

  #shelve(key: string, waiting: Waiting): void {
    const pods = this.#stuck.get(waiting.group) ?? new Map<string, Waiting>();
    pods.set(key, waiting);
    this.#stuck.set(waiting.group, pods);
    this.#stuckCount++;
  }

  #lookAgain(): void {
    this.#overflowed = false;
    for (const pod of this.#deps.store.list("pods")) this.podChanged(pod);
  }

  /** @returns false if the pod has to wait. A pod that is gone or cannot be written does not wait. */
  #try(key: string, waiting: Waiting): boolean {
    try {
      const pod = this.#deps.store.get("pods", waiting.namespace, waiting.name);
      if (!pod || pod.metadata.deletionTimestamp !== undefined || text(record(pod["spec"])["nodeName"]) !== "") return true;
      const node = this.#choose(pod, waiting.requests);
      if (typeof node === "string") this.#unschedulable(pod, node);
      else this.#bind(pod, key, node, waiting.requests);
      return typeof node !== "string";
    } catch (error) {
      this.#deps.ledger.release(key);
      this.#deps.onError(error);
      return true;
    }
  }

  /** The node with the most room; a message if none will do. */
  #choose(pod: KubeObject, requests: Resources): NodeState | string {
    const spec = record(pod["spec"]);
    const reasons = new Map<string, number>();
    let best: NodeState | undefined;
    for (const node of this.#deps.ledger.nodes()) {
      const misfits = misfit(spec, requests, node);
      for (const reason of misfits) reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
      if (misfits.length === 0 && (!best || fullness(node) < fullness(best))) best = node;
    }
    return best ?? whyNone(this.#deps.ledger.size, reasons);
  }

  #bind(pod: KubeObject, key: string, node: NodeState, requests: Resources): void {
    const { store, ledger, events, clock } = this.#deps;
    ledger.place(key, node.name, requests);
    const at = timestamp(clock.now());
    store.update("pods", pod.metadata.namespace ?? "", pod.metadata.name, (draft) => {
      draft["spec"] = { ...record(draft["spec"]), nodeName: node.name };
      const status = record(draft["status"]);
      draft["status"] = { ...status, phase: "Pending", conditions: setConditions(status["conditions"], [{ type: "PodScheduled", status: "True" }], at) };
    });
    events.record(pod, { type: "Normal", reason: "Scheduled", component: schedulerOf(record(pod["spec"])), message: `Successfully assigned ${key} to ${node.name}` });
  }

  #unschedulable(pod: KubeObject, message: string): void {
    const { store, events, clock } = this.#deps;
    const at = timestamp(clock.now());
    store.update("pods", pod.metadata.namespace ?? "", pod.metadata.name, (draft) => {
      const status = record(draft["status"]);
      const condition = { type: "PodScheduled", status: "False", reason: "Unschedulable", message } as const;
      draft["status"] = { ...status, phase: "Pending", conditions: setConditions(status["conditions"], [condition], at) };
    });
    events.record(pod, { type: "Warning", reason: "FailedScheduling", component: schedulerOf(record(pod["spec"])), message });
  }
}

function fullness(node: NodeState): number {
  const share = (used: number, all: number): number => (all > 0 ? used / all : 1);
  return share(node.used.cpu, node.allocatable.cpu) + share(node.used.memory, node.allocatable.memory) + share(node.used.pods, node.allocatable.pods);
}

function misfit(spec: Json, requests: Resources, node: NodeState): readonly string[] {
  if (node.unschedulable) return ["node(s) were unschedulable"];
  const taint = untoleratedTaint(spec, node);
  if (taint) return [`node(s) had untolerated taint {${taint.key}: ${taint.value}}`];
  if (!node.ready) return ["node(s) were not ready"];
  if (!matchesAffinity(spec, node)) return ["node(s) didn't match Pod's node affinity/selector"];
  return resourceKeys.filter((key) => requests[key] > 0 && node.used[key] + requests[key] > node.allocatable[key]).map((key) => (key === "pods" ? "Too many pods" : `Insufficient ${key}`));
}

function whyNone(nodes: number, reasons: ReadonlyMap<string, number>): string {
  if (nodes === 0) return "no nodes available to schedule pods";
  const list = [...reasons].map(([reason, count]) => `${count} ${reason}`).sort().join(", ");
  return `0/${nodes} nodes are available: ${list}. preemption: 0/${nodes} nodes are available: ${nodes} Preemption is not helpful for scheduling.`;
}
