/** What a V8 CPU profile says in short: where a thread's busy time went. */
import { z } from "zod";

/** As V8 writes it; what is not used here is left out. */
const profileSchema = z.object({
  nodes: z.array(z.object({
    id: z.number(),
    callFrame: z.object({ functionName: z.string(), url: z.string(), lineNumber: z.number() }),
    children: z.array(z.number()).optional(),
  })),
  samples: z.array(z.number()),
  /** Microseconds before each sample. */
  timeDeltas: z.array(z.number()),
});
type ProfileNode = z.infer<typeof profileSchema>["nodes"][number];

/** A part of the busy time. */
export interface Share {
  readonly name: string;
  /** Of the busy time, 0 to 1. */
  readonly share: number;
}

/** Where a thread's time went. */
export interface ProfileSummary {
  /** Between the first sample and the last, seconds. */
  readonly seconds: number;
  /** In which it did something, seconds. */
  readonly busySeconds: number;
  /** Busy time by place: collections, the engine, rooms of ours and packages, each with the native code that it calls. The largest first. */
  readonly places: readonly Share[];
  /** Busy time by function, without what it calls; native code with the place that called it. The largest first. */
  readonly functions: readonly Share[];
}

/** The thread waits: for events, or (a worker of Piscina) for its next task. */
const waits: ReadonlySet<string> = new Set(["(idle)", "atomicsWaitLoop"]);
/** What V8 calls time that belongs to no function, in words. */
const engineNames: ReadonlyMap<string, string> = new Map([["(garbage collector)", "garbage collection"], ["(program)", "the engine, and what it can not name"], ["(root)", "the engine, and what it can not name"]]);

/** Sums a profile up. @throws Error if the text is no CPU profile. */
export function summarizeProfile(text: string): ProfileSummary {
  const { nodes, samples, timeDeltas } = profileSchema.parse(JSON.parse(text));
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const parents = new Map(nodes.flatMap((node) => (node.children ?? []).map((child) => [child, node] as const)));
  const selfUs = new Map<number, number>();
  // A sample stands for the time until the next one.
  for (const [i, sample] of samples.entries()) selfUs.set(sample, (selfUs.get(sample) ?? 0) + Math.max(0, timeDeltas[i + 1] ?? 0));
  const places = new Map<string, number>();
  const functions = new Map<string, number>();
  let busyUs = 0;
  let allUs = 0;
  for (const [id, us] of selfUs) {
    const node = byId.get(id);
    if (!node) continue;
    allUs += us;
    if (waits.has(node.callFrame.functionName)) continue;
    busyUs += us;
    const place = placeOf(node, parents);
    add(places, place, us);
    add(functions, functionOf(node, place), us);
  }
  return { seconds: allUs / 1e6, busySeconds: busyUs / 1e6, places: shares(places, busyUs), functions: shares(functions, busyUs) };
}

/** Of the nearest caller that has a file: native code costs whoever calls it. */
function placeOf(node: ProfileNode, parents: ReadonlyMap<number, ProfileNode>): string {
  for (let at: ProfileNode | undefined = node; at; at = parents.get(at.id)) {
    const engine = engineNames.get(at.callFrame.functionName);
    if (engine !== undefined) return at === node ? engine : "native code that nobody called";
    if (at.callFrame.url !== "") return placeOfUrl(at.callFrame.url);
  }
  return "native code that nobody called";
}

/** A package's name, Node's module, or our room (`main/rpc`). */
function placeOfUrl(url: string): string {
  if (url.startsWith("node:")) return url.startsWith("node:internal/") ? "node:internal" : url;
  const inPackage = /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1];
  if (inPackage !== undefined) return inPackage;
  return /\/(?:dist|src)\/((?:[^/]+\/)*)[^/]+$/.exec(url)?.[1]?.replace(/\/$/, "") ?? "elsewhere";
}

function functionOf({ callFrame: { functionName, url, lineNumber } }: ProfileNode, place: string): string {
  const engine = engineNames.get(functionName);
  if (engine !== undefined) return engine;
  const name = functionName === "" ? "(nameless)" : functionName;
  return url === "" ? `${name}, native, for ${place}` : `${name}, ${place} ${url.replace(/.*\//, "")}:${lineNumber + 1}`;
}

function add(sums: Map<string, number>, name: string, us: number): void {
  sums.set(name, (sums.get(name) ?? 0) + us);
}

function shares(sums: ReadonlyMap<string, number>, all: number): readonly Share[] {
  return [...sums].map(([name, us]) => ({ name, share: us / all })).sort((a, b) => b.share - a.share);
}
