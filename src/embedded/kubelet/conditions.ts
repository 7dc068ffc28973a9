/** Conditions of pods and nodes: set by type, with the time of the last transition kept while the status stays. */
import { records } from "./json.ts";
import type { Json } from "./json.ts";

/** A condition to set. */
export interface Condition {
  readonly type: string;
  readonly status: "True" | "False" | "Unknown";
  readonly reason?: string;
  readonly message?: string;
}

/** The list with the given conditions set; others stay as they are. */
export function setConditions(existing: unknown, wanted: readonly Condition[], at: string): readonly Json[] {
  const list = [...records(existing)];
  for (const condition of wanted) {
    const index = list.findIndex((old) => old["type"] === condition.type);
    const old = index < 0 ? undefined : list[index];
    const lastTransitionTime = old?.["status"] === condition.status ? (old["lastTransitionTime"] ?? at) : at;
    const next = { type: condition.type, status: condition.status, lastProbeTime: null, lastTransitionTime, ...optional("reason", condition.reason), ...optional("message", condition.message) };
    if (index < 0) list.push(next);
    else list[index] = next;
  }
  return list;
}

/** A member, if there is a value for it. */
export function optional(key: string, value: string | undefined): Json {
  return value === undefined ? {} : { [key]: value };
}
