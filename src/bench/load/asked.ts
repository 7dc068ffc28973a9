/** What the API server is asked while something goes on: by its own count, or else by the daemon's. */
import type { Lab } from "../lab.ts";
import { told } from "../parts/daemon.ts";
import type { Daemon, Told } from "../parts/daemon.ts";

/** What was asked. */
export interface Asked {
  /** Requests by kind, where the cluster tells of them. */
  readonly requests: ReadonlyMap<string, number> | undefined;
  /** What the daemon tells instead, where the cluster does not: its own requests meanwhile. And its memory at the end, where its process is not known. */
  readonly told: Told | undefined;
}

/**
 * Begins to count; what it gives ends that, and gives the counts.
 * @param askDaemon the daemon may be asked as well. Reading its metrics changes what others find there, so that is done only where the cluster does not tell.
 */
export async function countRequests(lab: Lab, daemon: Daemon, askDaemon: boolean): Promise<() => Promise<Asked>> {
  const before = await lab.cluster.requests();
  const toldBefore = before || !askDaemon ? undefined : await told(daemon);
  return async () => {
    const after = await lab.cluster.requests();
    const toldAfter = toldBefore || (askDaemon && isUnseen(lab)) ? await told(daemon) : undefined;
    return {
      requests: before && after && difference(before, after),
      told: toldAfter && { ...toldAfter, requests: grown(toldBefore?.requests, toldAfter.requests) },
    };
  };
}

function isUnseen({ options: { target, pid } }: Lab): boolean {
  return target !== undefined && pid === undefined;
}

function grown(before: number | undefined, after: number | undefined): number | undefined {
  return before === undefined || after === undefined ? undefined : after - before;
}

function difference(before: ReadonlyMap<string, number>, after: ReadonlyMap<string, number>): ReadonlyMap<string, number> {
  return new Map([...after].map(([kind, count]) => [kind, count - (before.get(kind) ?? 0)] as const).filter(([, count]) => count > 0));
}
