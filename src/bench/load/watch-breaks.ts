/** Breaks the watches of a built-in cluster time and again, so that a daemon has to resume, or to list everything anew. */
import { setTimeout as sleep } from "node:timers/promises";
import { messageOf } from "../../domain/errors.ts";
import type { Cluster } from "./kube.ts";

/** Ways in which a watch ends, in turn. */
const ways = ["end", "reset", "midLine"] as const;

/** What was done. */
export interface Breaks {
  /** Times that all watches were broken, and how many of them with a compacted history. */
  readonly breaks: number;
  readonly compactions: number;
  /** What went wrong first; "" if nothing did. */
  readonly problem: string;
}

/** Breaks all watches each `everyMs`, with a compacted history the first and every second time, until the signal aborts. Never rejects. */
export async function breakWatches(cluster: Cluster, everyMs: number, signal: AbortSignal): Promise<Breaks> {
  let breaks = 0;
  let compactions = 0;
  let problem = "";
  while (await slept(everyMs, signal)) {
    const how = ways[breaks % ways.length] ?? "end";
    const compact = breaks % 2 === 0;
    try {
      await (compact ? compactAndCut(cluster, how, breaks) : post(cluster, "faults/cut-watches", { how }));
      breaks++;
      if (compact) compactions++;
    } catch (error) {
      problem ||= messageOf(error);
    }
  }
  return { breaks, compactions, problem };
}

/** While watches are silent something changes and is forgotten: so no watcher can resume, whatever the timing. Rejects if the cluster does not take part. @param count makes the change one. */
export async function compactAndCut(cluster: Cluster, how: (typeof ways)[number], count: number): Promise<void> {
  await post(cluster, "faults/freeze-watches", {});
  try {
    await cluster.annotateNamespace(String(count));
    await post(cluster, "faults/expire-history", {});
    await post(cluster, "faults/cut-watches", { how });
  } finally {
    await post(cluster, "faults/thaw-watches", {});
  }
}

async function post(cluster: Cluster, path: string, body: object): Promise<void> {
  const { code, text } = await cluster.send("POST", `/embedded/v1/${path}`, body);
  if (code !== 200) throw new Error(`POST ${path}: ${code} ${text.slice(0, 200)}`);
}

/** False: the signal aborted. */
async function slept(ms: number, signal: AbortSignal): Promise<boolean> {
  await sleep(ms, undefined, { signal }).catch(() => {});
  return !signal.aborted;
}
