/** Merging pod templates: what an installation adds to its workspace pods (spec: kubernetes, "pod templates of the class"). */
import { asObject, type JsonObject } from "../../domain/json.ts";

/** Makes one value of two, neither of which is changed. */
type Merge = (into: unknown, from: unknown) => unknown;

/** Whose scalars stay where both have one. */
type Winner = "into" | "from";

function merging(winner: Winner, members: ReadonlyMap<string, Merge> = new Map()): Merge {
  const inner: Merge = members.size === 0 ? (into, from) => merge(into, from) : merging(winner);
  const merge: Merge = (into, from) => {
    const [first, second] = [asList(into), asList(from)];
    if (first && second) return [...first, ...second];
    const [a, b] = [asObject(into), asObject(from)];
    if (a && b) return mergeMembers(a, b, (key, ...values) => (members.get(key) ?? inner)(...values));
    // An empty text is what a Go program writes for none.
    return winner === "into" || from === "" ? into : from;
  };
  return merge;
}

function asList(value: unknown): readonly unknown[] | undefined {
  return Array.isArray(value) ? value : undefined;
}

function mergeMembers(into: JsonObject, from: JsonObject, merge: (key: string, into: unknown, from: unknown) => unknown): JsonObject {
  const members = new Map(Object.entries(into));
  for (const [key, value] of Object.entries(from)) members.set(key, members.has(key) ? merge(key, members.get(key), value) : value);
  return Object.fromEntries(members);
}

/** Members that say what a probe does; it has exactly one of them. */
const handlers: ReadonlySet<string> = new Set(["exec", "httpGet", "tcpSocket", "grpc"]);

const mergeProbe: Merge = (into, from) => {
  const [a, b] = [asObject(into), asObject(from)];
  if (!a || !b || !Object.keys(b).some((key) => handlers.has(key))) return fromWins(into, from);
  return fromWins(Object.fromEntries(Object.entries(a).filter(([key]) => !handlers.has(key))), b);
};

const fromWins = merging("from");
const mergeContainer = merging("from", new Map(["readinessProbe", "livenessProbe", "startupProbe"].map((name) => [name, mergeProbe])));

/** Containers by name. Those that only the second list has are dropped, or kept behind the others. */
function containers(unknown: "drop" | "keep"): Merge {
  return (into, from) => {
    const [first, second] = [asList(into), asList(from)];
    if (!first || !second) return into;
    const merged = first.map((container) => second.filter((other) => nameOf(other) === nameOf(container)).reduce(mergeContainer, container));
    if (unknown === "drop") return merged;
    const names = new Set(first.map(nameOf));
    return [...merged, ...second.filter((container) => !names.has(nameOf(container)))];
  };
}

function nameOf(container: unknown): unknown {
  return asObject(container)?.["name"];
}

/** Alternatives of either side become one term that asks for all of them: a template can narrow down the nodes, but not add others. */
const mergeNodeTerms: Merge = (into, from) => {
  const [first, second] = [asList(into), asList(from)];
  return first && second ? [[...first, ...second].reduce(oneTerm, {})] : into;
};
const oneTerm = merging("into");

const nodeAffinity = merging("into", new Map([["requiredDuringSchedulingIgnoredDuringExecution", merging("into", new Map([["nodeSelectorTerms", mergeNodeTerms]]))]]));
const spec = merging("into", new Map([
  ["containers", containers("drop")],
  ["initContainers", containers("keep")],
  ["affinity", merging("into", new Map([["nodeAffinity", nodeAffinity]]))],
]));
const pod = merging("into", new Map([["spec", spec]]));

/**
 * Merges a template under a pod, or under another template: scalars of the pod stay, lists grow, containers are merged by name with the template's
 * scalars winning, expressions for required nodes must all hold, a probe's handler is the template's.
 */
export function mergePod(into: JsonObject, template: JsonObject | undefined): JsonObject {
  return template === undefined ? into : (asObject(pod(into, template)) ?? into);
}
