/** What is to happen in a simulation, as data: drawn from a seed before anything begins, so that parts of it can be left out and the rest stays as it is. */
import { asObject } from "../../../src/domain/json.ts";

/** A workspace, and who uses it. Times are virtual milliseconds. */
export interface LifePlan {
  readonly id: string;
  /** When its start is asked for, since the beginning. */
  readonly at: number;
  readonly type: "REGULAR" | "PREBUILD" | "IMAGEBUILD";
  /** Its content is on a claim. */
  readonly claim: boolean;
  /** A fault of its pod, in the kubelet's words; "" for none. */
  readonly fault: string;
  /** How long it is used once it can be, and how often its use is told. */
  readonly usedMs: number;
  readonly beatMs: number;
  /** What its user does on the way. */
  readonly deeds: readonly Deed[];
  /** What its user does then; `leave`: nothing, it times out. */
  readonly end: "stop" | "stop-now" | "close" | "leave";
  /** It is started once more, so long after its end was told; undefined: never. The fault strikes its pod then. */
  readonly again?: { readonly afterMs: number; readonly fault: string } | undefined;
}

/** Something that a user does, so long after the start was answered. */
export interface Deed {
  readonly afterMs: number;
  readonly what: "timeout" | "port" | "snapshot" | "backup" | "describe" | "close-and-return";
}

/** Something that goes wrong, or that somebody does by hand. `slot` is one of the replicas, and `node` one of the nodes, by number. */
export type FaultPlan = { readonly at: number } & (
  /** The process is gone at once, or right before, or after, the n-th request that it sends from then on; of those that change a workspace's pod or claim, if so asked. */
  | { readonly kind: "crash"; readonly slot: number; readonly request: number; readonly writes: boolean; readonly side: "now" | "before" | "after"; readonly downMs: number }
  /** SIGTERM. */
  | { readonly kind: "restart"; readonly slot: number; readonly downMs: number }
  /** SIGSTOP, or the machine sleeps. */
  | { readonly kind: "pause"; readonly slot: number; readonly asleep: boolean; readonly forMs: number }
  /** It does not reach the API server: its connections are refused, or nothing comes through. */
  | { readonly kind: "cut-off"; readonly slot: number; readonly silent: boolean; readonly forMs: number }
  /** Its wall clock is wrong for a while. */
  | { readonly kind: "clock"; readonly slot: number; readonly byMs: number; readonly forMs: number }
  /** Its workers die, or hang. */
  | { readonly kind: "workers"; readonly slot: number; readonly hang: boolean; readonly times: number }
  /** What they derive comes so much later. */
  | { readonly kind: "workers-slow"; readonly slot: number; readonly byMs: number; readonly forMs: number }
  | { readonly kind: "api-away"; readonly forMs: number }
  | { readonly kind: "api-slow"; readonly byMs: number; readonly forMs: number }
  /** A share of the requests fails: before they take effect, or (`lost`) after. */
  | { readonly kind: "api-fails"; readonly code: number; readonly percent: number; readonly forMs: number }
  | { readonly kind: "api-lost"; readonly percent: number; readonly forMs: number }
  /** A share of the requests is not answered. */
  | { readonly kind: "api-hangs"; readonly percent: number; readonly forMs: number }
  | { readonly kind: "watches-cut"; readonly how: "end" | "reset" | "midLine" }
  | { readonly kind: "watches-silent"; readonly forMs: number }
  | { readonly kind: "compaction" }
  | { readonly kind: "node-lost"; readonly node: number; readonly forMs: number }
  | { readonly kind: "daemon-restart"; readonly node: number }
  /** Calls to a node's daemon take long, or are UNAVAILABLE. */
  | { readonly kind: "daemon-slow"; readonly node: number; readonly byMs: number; readonly forMs: number }
  | { readonly kind: "daemon-unavailable"; readonly node: number; readonly forMs: number }
  /** The next calls fail with a gRPC status: before or after they were done. */
  | { readonly kind: "daemon-fails"; readonly node: number; readonly method: "InitWorkspace" | "WaitForInit" | "TakeSnapshot" | "DisposeWorkspace"; readonly code: number; readonly afterwards: boolean; readonly times: number }
  /** Volume snapshots that are asked for meanwhile never become ready. */
  | { readonly kind: "snapshots-fail"; readonly forMs: number }
  | { readonly kind: "by-hand"; readonly life: string; readonly what: Hand }
);

/** What is done to a pod by hand, or by Kubernetes. */
export const hands = ["delete", "force-delete", "remove-annotations", "unmark-disposal", "remove-finalizer", "take-away", "evict", "preempt", "oom", "interrupt", "touch"] as const;
/** One of {@link hands}. */
export type Hand = (typeof hands)[number];

/** All of it. */
export interface Plan {
  /** Of what is drawn on the way: delays of the network, jitter, tokens. */
  readonly seed: number;
  readonly hours: number;
  readonly replicas: number;
  readonly nodes: number;
  /** Of the Lease, milliseconds. */
  readonly lease: { readonly durationMs: number; readonly renewMs: number; readonly retryMs: number };
  /** What goes on by itself: how long watches last, and how often bookmarks come; `usual`: as in a cluster. */
  readonly upkeep: "usual" | "rare";
  readonly lives: readonly LifePlan[];
  readonly faults: readonly FaultPlan[];
}

/** Reads a plan as it was written. @throws Error if it is none. */
export function parsePlan(text: string): Plan {
  const value: unknown = JSON.parse(text);
  if (!isPlan(value)) throw new Error("that is no plan: it needs seed, hours, replicas, nodes, lease, upkeep, lives and faults");
  return value;
}

/** What stands in its lists is taken as it is: whoever changes it by hand sees what comes of it. */
function isPlan(value: unknown): value is Plan {
  const plan = asObject(value);
  if (plan?.["upkeep"] !== "usual" && plan?.["upkeep"] !== "rare") return false;
  const numbers = ["seed", "hours", "replicas", "nodes"].every((name) => typeof plan?.[name] === "number");
  return numbers && asObject(plan?.["lease"]) !== undefined && Array.isArray(plan?.["lives"]) && Array.isArray(plan?.["faults"]);
}

export const second = 1_000;
export const minute = 60_000;
export const hour = 3_600_000;
