/** Kubernetes quantities ("500m", "1.5Gi", "2e3") as numbers, and what pods ask for. */
import { isRecord, record, records } from "./json.ts";
import type { Json } from "./json.ts";

const factors: Readonly<Record<string, number>> = {
  n: 1e-9, u: 1e-6, m: 1e-3, "": 1, k: 1e3, M: 1e6, G: 1e9, T: 1e12, P: 1e15, E: 1e18,
  Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, Ti: 2 ** 40, Pi: 2 ** 50, Ei: 2 ** 60,
};

/** The number of a quantity (cores, bytes, pieces); undefined if it is none. */
export function parseQuantity(value: unknown): number | undefined {
  if (typeof value === "number") return Number.isFinite(value) ? value : undefined;
  if (typeof value !== "string") return undefined;
  const match = /^([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$/.exec(value);
  if (!match) return undefined;
  return Number(match[1]) * (factors[match[2] ?? ""] ?? 1);
}

/** The resources that the scheduler counts, in the order in which it names them. */
export const resourceKeys = ["cpu", "memory", "ephemeral-storage", "pods"] as const;
/** One of {@link resourceKeys}. */
export type ResourceKey = (typeof resourceKeys)[number];
/** Amounts per resource: millicores, bytes, bytes, pieces. */
export type Resources = Readonly<Record<ResourceKey, number>>;

/** Reads amounts as they stand in allocatable or requests; what is missing is the fallback. */
export function resourcesOf(value: unknown, fallback: number): Resources {
  const amounts = record(value);
  const read = (key: ResourceKey, scale: number): number => {
    const amount = parseQuantity(amounts[key]);
    return amount === undefined ? fallback : Math.round(amount * scale);
  };
  return { cpu: read("cpu", 1000), memory: read("memory", 1), "ephemeral-storage": read("ephemeral-storage", 1), pods: read("pods", 1) };
}

/** Combines two sets of amounts, resource by resource. */
export function combine(a: Resources, b: Resources, how: (a: number, b: number) => number): Resources {
  return { cpu: how(a.cpu, b.cpu), memory: how(a.memory, b.memory), "ephemeral-storage": how(a["ephemeral-storage"], b["ephemeral-storage"]), pods: how(a.pods, b.pods) };
}

/** None of anything. */
export const noResources: Resources = { cpu: 0, memory: 0, "ephemeral-storage": 0, pods: 0 };

/** What a pod takes from its node: the sum of its containers' requests (limits where there is no request), or its greatest init container, and its own place. */
export function podRequests(pod: Json): Resources {
  const spec = record(pod["spec"]);
  const plus = (a: number, b: number): number => a + b;
  let sum = noResources;
  for (const container of records(spec["containers"])) sum = combine(sum, containerRequests(container), plus);
  for (const container of records(spec["initContainers"])) sum = combine(sum, containerRequests(container), Math.max);
  return { ...combine(sum, resourcesOf(spec["overhead"], 0), plus), pods: 1 };
}

function containerRequests(container: Json): Resources {
  const resources = record(container["resources"]);
  return resourcesOf({ ...record(resources["limits"]), ...record(resources["requests"]) }, 0);
}

/** The quality of service class that Kubernetes derives from requests and limits. */
export function qosClass(pod: Json): "Guaranteed" | "Burstable" | "BestEffort" {
  const spec = record(pod["spec"]);
  const containers = [...records(spec["containers"]), ...records(spec["initContainers"])].map((container) => record(container["resources"]));
  const any = containers.some((resources) => ["requests", "limits"].some((kind) => counted(resources[kind]).length > 0));
  if (!any) return "BestEffort";
  const guaranteed = containers.every((resources) => {
    const limits = record(resources["limits"]);
    const requests = isRecord(resources["requests"]) ? resources["requests"] : limits;
    return ["cpu", "memory"].every((key) => limits[key] !== undefined && parseQuantity(limits[key]) === parseQuantity(requests[key] ?? limits[key]));
  });
  return guaranteed ? "Guaranteed" : "Burstable";
}

function counted(value: unknown): readonly string[] {
  const amounts = record(value);
  return ["cpu", "memory"].filter((key) => (parseQuantity(amounts[key]) ?? 0) > 0);
}
