/** What is written of activity on a workspace's pod, beside what is known of it here. */
import { annotations } from "../../domain/names.ts";
import { parseTimeMs, rfc3339Nano } from "../../domain/rfc3339.ts";
import type { AnnotationChanges } from "../kube/objects.ts";
import type { WorkspaceRecord } from "../state/registry.ts";

/** What is to be written where the pod is not as it was known: a process that stood still must not take back what others wrote meanwhile. */
export function laterThan(noted: ReadonlyMap<string, string>, at: number, changes: AnnotationChanges): AnnotationChanges | undefined {
  const notedAt = parseTimeMs(noted.get(annotations.lastActivity) ?? "") ?? Number.NEGATIVE_INFINITY;
  // The first use stays the first, and of open and closed the later word counts.
  const isOutdated = (key: string): boolean => (key === annotations.firstUserActivity ? noted.has(key) : key === annotations.closed && notedAt > at);
  const left = Object.fromEntries(Object.entries(changes).filter(([key]) => !isOutdated(key)));
  if (at > notedAt) return { ...left, [annotations.lastActivity]: rfc3339Nano(at) };
  return Object.keys(left).length > 0 ? left : undefined;
}

/** Time since the last write, milliseconds; infinite if there was none. What is from the future was written by a clock that has been set back since: it keeps nothing from being written. */
export function writtenAgo({ activityWrittenAt, facts }: WorkspaceRecord, now: number): number {
  let last = Number.NEGATIVE_INFINITY;
  for (const at of [activityWrittenAt, facts.lastActivity]) if (at !== undefined && at <= now && at > last) last = at;
  return now - last;
}

/** There was activity. */
export interface Unwritten {
  readonly activeAt: number;
}

/** Whether there was activity later than what is written on the pod. */
export function isUnwritten(record: WorkspaceRecord): record is WorkspaceRecord & Unwritten {
  return record.activeAt !== undefined && record.activeAt > (record.facts.lastActivity ?? Number.NEGATIVE_INFINITY);
}
