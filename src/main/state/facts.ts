/** Facts that stay in memory for long: what did not change is kept, so that what is new can be collected while it is young. */
import type { WorkspaceFacts } from "../../domain/messages.ts";

/**
 * The facts, with the texts of those before wherever they are equal. Without this every change of every pod would leave a dozen new
 * strings in the old generation, and as many old ones to be collected there.
 */
export function sharing(before: WorkspaceFacts, now: WorkspaceFacts): WorkspaceFacts {
  return {
    ...now,
    id: kept(before.id, now.id),
    podName: kept(before.podName, now.podName),
    owner: kept(before.owner, now.owner),
    metaId: kept(before.metaId, now.metaId),
    workspaceClass: kept(before.workspaceClass, now.workspaceClass),
    nodeName: kept(before.nodeName, now.nodeName),
    failed: kept(before.failed, now.failed),
    timedOut: kept(before.timedOut, now.timedOut),
    customTimeout: kept(before.customTimeout, now.customTimeout),
    annotations: keptMap(before.annotations, now.annotations),
  };
}

function kept(before: string, now: string): string {
  return before === now ? before : now;
}

function keptMap(before: WorkspaceFacts["annotations"], now: WorkspaceFacts["annotations"]): WorkspaceFacts["annotations"] {
  if (!before || !now) return now;
  const keys = Object.keys(now);
  if (keys.length !== Object.keys(before).length) return now;
  for (const key of keys) if (!Object.hasOwn(before, key) || before[key] !== now[key]) return now;
  return before;
}
