/** Backups of one workspace that were under way at the same time: one after the other is promised. */
import type { NodeDaemonCall } from "../../../src/embedded/wsdaemon/service.ts";

/** A time in which a daemon stood still, monotonic milliseconds: what it had asked for it could not take back. */
export interface Standstill {
  readonly from: number;
  readonly to: number;
}

/** One that goes on takes back what it had asked for, but for that it has to get its turn; milliseconds. */
const lateMs = 300;
const backups: ReadonlySet<string> = new Set<NodeDaemonCall["method"]>(["DisposeWorkspace", "BackupWorkspace"]);

/** Pairs of calls that overlap, in words. @param calls of all node daemons, with times of one clock. */
export function overlaps(calls: readonly NodeDaemonCall[], standstills: readonly Standstill[]): readonly string[] {
  const wrongs: string[] = [];
  /** By workspace: the call that ends last of those before. */
  const last = new Map<string, NodeDaemonCall>();
  for (const call of calls.filter(({ method }) => backups.has(method)).toSorted((a, b) => a.began - b.began)) {
    const before = last.get(call.id);
    if (before && endOf(before) > call.began && !standstills.some(({ from, to }) => before.began <= from && call.began >= from && call.began <= to + lateMs)) {
      wrongs.push(`${call.id}: ${call.method} was asked for while ${before.method} had been under way for ${Math.round(call.began - before.began)} ms`);
    }
    if (!before || endOf(call) > endOf(before)) last.set(call.id, call);
  }
  return wrongs;
}

function endOf({ ended }: NodeDaemonCall): number {
  return ended ?? Number.POSITIVE_INFINITY;
}
