/** When a deletion takes effect: grace periods of pods and finalizers of everything, as the API server decides. */
import type { KubeObject } from "../contract.ts";
import { at } from "./json.ts";
import type { ResourceType } from "./resources.ts";

/** What a deletion does to an object. */
export type Deletion =
  /** Nothing: it is being deleted already, no later than asked. */
  | { readonly kind: "pending" }
  /** It gets, or keeps, a deletion time, and stays. */
  | { readonly kind: "mark"; readonly graceSeconds: number; readonly timestamp: number }
  /** Like mark, then it goes. */
  | { readonly kind: "markAndRemove"; readonly timestamp: number }
  | { readonly kind: "remove" };

/** Decides. `now` is Unix milliseconds, and so is `timestamp`; `graceSeconds` is what the request asks for. */
export function decideDeletion(type: ResourceType, object: KubeObject, graceSeconds: number | undefined, now: number): Deletion {
  const held = (object.metadata.finalizers ?? []).length > 0;
  if (!type.graceful) return decideUngraceful(held, object.metadata.deletionTimestamp !== undefined, now);
  const known = object.metadata.deletionGracePeriodSeconds;
  const until = Date.parse(object.metadata.deletionTimestamp ?? "");
  if (known !== undefined && !Number.isNaN(until)) return shorten(held, known, graceSeconds, until);
  const period = gracePeriod(object, graceSeconds);
  return mark(held, period, now + period * 1000);
}

function decideUngraceful(held: boolean, marked: boolean, now: number): Deletion {
  if (!held) return { kind: "remove" };
  return marked ? { kind: "pending" } : { kind: "mark", graceSeconds: 0, timestamp: now };
}

/** Once a pod is being deleted, the time it has left can only become less. */
function shorten(held: boolean, known: number, asked: number | undefined, until: number): Deletion {
  if (asked === undefined || asked >= known) return { kind: "pending" };
  const period = Math.max(asked, asked < 0 ? 1 : 0);
  return mark(held, period, until + (period - known) * 1000);
}

function mark(held: boolean, graceSeconds: number, timestamp: number): Deletion {
  return graceSeconds === 0 && !held ? { kind: "markAndRemove", timestamp } : { kind: "mark", graceSeconds, timestamp };
}

/** Pods that no node runs, or no longer runs, need no time. */
function gracePeriod(pod: KubeObject, asked: number | undefined): number {
  const phase = at(pod, "status", "phase");
  const node = at(pod, "spec", "nodeName");
  if (typeof node !== "string" || node === "" || phase === "Succeeded" || phase === "Failed") return 0;
  const own = at(pod, "spec", "terminationGracePeriodSeconds");
  const period = asked ?? (typeof own === "number" ? own : 30);
  return period < 0 ? 1 : period;
}

/** Whether an object that is being deleted goes, now that this is its state. */
export function isReleased(object: KubeObject): boolean {
  const { deletionTimestamp, deletionGracePeriodSeconds = 0, finalizers = [] } = object.metadata;
  return deletionTimestamp !== undefined && deletionGracePeriodSeconds === 0 && finalizers.length === 0;
}
