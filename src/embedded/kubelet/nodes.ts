/** The built-in cluster's nodes: what their objects look like, and how they go away and come back. */
import type { Clock } from "../../domain/clock.ts";
import type { ClusterStore } from "../contract.ts";
import { setConditions } from "./conditions.ts";
import type { Condition } from "./conditions.ts";
import { record, records, timestamp } from "./json.ts";
import type { Json } from "./json.ts";

/** A node to be created. */
export interface NodeSpec {
  readonly name: string;
  /** Quantity, default "16". */
  readonly cpu?: string;
  /** Quantity, default "64Gi". */
  readonly memory?: string;
  /** Most pods, default 110. */
  readonly pods?: number;
  /** Added to the labels by which workspaces choose their nodes. */
  readonly labels?: Readonly<Record<string, string>>;
}

const unreachable = "node.kubernetes.io/unreachable";

/** Address of the n-th node. */
export function nodeAddress(index: number): string {
  return `10.128.${Math.floor(index / 250) % 256}.${2 + (index % 250)}`;
}

/** Makes the node, or takes over the one of that name. */
export function createNode(store: ClusterStore, clock: Clock, spec: NodeSpec, index: number, namespace: string): void {
  const at = timestamp(clock.now());
  if (!store.get("nodes", "", spec.name)) store.create("nodes", { apiVersion: "v1", kind: "Node", metadata: { name: spec.name, labels: nodeLabels(spec, namespace) }, spec: {} }, "");
  store.update("nodes", "", spec.name, (draft) => {
    const metadata = record(draft["metadata"]);
    draft["metadata"] = { ...metadata, labels: { ...record(metadata["labels"]), ...nodeLabels(spec, namespace) } };
    draft["spec"] = { ...record(draft["spec"]), podCIDR: `10.${64 + (index % 128)}.0.0/16`, providerID: `embedded://${spec.name}`, taints: [] };
    draft["status"] = nodeStatus(spec, nodeAddress(index), record(draft["status"])["conditions"], at);
  });
}

function nodeLabels(spec: NodeSpec, namespace: string): Record<string, string> {
  return {
    "kubernetes.io/hostname": spec.name,
    "kubernetes.io/os": "linux",
    "kubernetes.io/arch": "amd64",
    "gitpod.io/workload_workspace_regular": "true",
    "gitpod.io/workload_workspace_headless": "true",
    [`gitpod.io/ws-daemon_ready_ns_${namespace}`]: "true",
    [`gitpod.io/registry-facade_ready_ns_${namespace}`]: "true",
    ...spec.labels,
  };
}

function nodeStatus(spec: NodeSpec, address: string, conditions: unknown, at: string): object {
  const amounts = { cpu: spec.cpu ?? "16", memory: spec.memory ?? "64Gi", "ephemeral-storage": "1Ti", pods: String(spec.pods ?? 110) };
  return {
    capacity: amounts,
    allocatable: amounts,
    conditions: nodeConditions(conditions, readyConditions, at, at),
    addresses: [{ type: "InternalIP", address }, { type: "Hostname", address: spec.name }],
    daemonEndpoints: { kubeletEndpoint: { Port: 10250 } },
    nodeInfo: {
      architecture: "amd64", operatingSystem: "linux", osImage: "wsmand built-in cluster", kernelVersion: "6.6.0", containerRuntimeVersion: "containerd://2.0.0", kubeletVersion: "v1.34.0",
      kubeProxyVersion: "", machineID: spec.name, systemUUID: spec.name, bootID: spec.name,
    },
  };
}

const healthy = (type: string, reason: string, message: string): Condition => ({ type, status: "False", reason, message });
const readyConditions: readonly Condition[] = [
  healthy("MemoryPressure", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
  healthy("DiskPressure", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
  healthy("PIDPressure", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
  { type: "Ready", status: "True", reason: "KubeletReady", message: "kubelet is posting ready status" },
];

/** Conditions of a node, which tell of its heartbeat; the last one stays if there is no new one. */
function nodeConditions(existing: unknown, wanted: readonly Condition[], at: string, heartbeat: string | undefined): readonly Json[] {
  return setConditions(existing, wanted, at).map(({ lastProbeTime: _none, ...condition }) => {
    const known = records(existing).find(({ type }) => type === condition["type"])?.["lastHeartbeatTime"];
    return { ...condition, lastHeartbeatTime: heartbeat ?? known ?? at };
  });
}

/** Writes what the node controller writes on a node that has fallen silent: conditions Unknown, taints unreachable. */
export function markLost(store: ClusterStore, clock: Clock, name: string): void {
  const at = timestamp(clock.now());
  const unknown = readyConditions.map(({ type }): Condition => ({ type, status: "Unknown", reason: "NodeStatusUnknown", message: "Kubelet stopped posting node status." }));
  store.update("nodes", "", name, (draft) => {
    const spec = record(draft["spec"]);
    const status = record(draft["status"]);
    draft["spec"] = { ...spec, taints: [...otherTaints(spec), { key: unreachable, effect: "NoSchedule", timeAdded: at }, { key: unreachable, effect: "NoExecute", timeAdded: at }] };
    draft["status"] = { ...status, conditions: nodeConditions(status["conditions"], unknown, at, undefined) };
  });
}

/** Undoes {@link markLost}. */
export function markReturned(store: ClusterStore, clock: Clock, name: string): void {
  const at = timestamp(clock.now());
  store.update("nodes", "", name, (draft) => {
    const spec = record(draft["spec"]);
    const status = record(draft["status"]);
    draft["spec"] = { ...spec, taints: otherTaints(spec) };
    draft["status"] = { ...status, conditions: nodeConditions(status["conditions"], readyConditions, at, at) };
  });
}

function otherTaints(spec: Readonly<Record<string, unknown>>): readonly object[] {
  return records(spec["taints"]).filter((taint) => taint["key"] !== unreachable);
}

/** How long a pod stays on a node that cannot be reached before it is deleted, milliseconds; undefined: forever. */
export function unreachableToleration(podSpec: unknown): number | undefined {
  let shortest: number | undefined = 300_000; // what admission adds to a pod that says nothing of its own
  for (const toleration of records(record(podSpec)["tolerations"])) {
    if (toleration["key"] !== unreachable || (toleration["effect"] !== "NoExecute" && toleration["effect"] !== undefined)) continue;
    const seconds = toleration["tolerationSeconds"];
    shortest = typeof seconds === "number" ? Math.max(0, seconds * 1000) : undefined;
  }
  return shortest;
}
