/** Which workspaces a client wants: wsman.MetadataFilter (spec: GetWorkspaces, Subscribe). */
import type { WorkspaceFacts } from "../../domain/messages.ts";

/** A filter; empty members match everything. */
export interface Filter {
  readonly owner: string;
  readonly metaId: string;
  /** Must be a subset of the workspace's annotations. */
  readonly annotations: ReadonlyMap<string, string>;
}

/** Matches every workspace. */
export const matchAll: Filter = { owner: "", metaId: "", annotations: new Map() };

/** Whether a filter matches every workspace. */
export function matchesAll(filter: Filter): boolean {
  return filter.owner === "" && filter.metaId === "" && filter.annotations.size === 0;
}

/** Whether a workspace with these facts matches. */
export function matches(filter: Filter, facts: Pick<WorkspaceFacts, "owner" | "metaId" | "annotations">): boolean {
  if (filter.owner !== "" && filter.owner !== facts.owner) return false;
  if (filter.metaId !== "" && filter.metaId !== facts.metaId) return false;
  for (const [key, value] of filter.annotations) {
    const own = facts.annotations;
    if (!own || !Object.hasOwn(own, key) || own[key] !== value) return false;
  }
  return true;
}
