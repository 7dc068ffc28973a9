/** Notes on workspaces' pods when they were used, as a daemon does: one that acts ends those that nobody uses. */
import { annotations } from "../../domain/names.ts";
import { rfc3339Nano } from "../../domain/rfc3339.ts";
import type { Lab } from "../lab.ts";

/**
 * Notes activity on pods.
 * @param firstMs when their users did something for the first time, Unix milliseconds.
 * @param lastMs likewise the last time, of the i-th one.
 */
export async function noteActivity({ cluster, signal }: Lab, names: readonly string[], firstMs: number, lastMs: (i: number) => number): Promise<void> {
  await cluster.each(names.length, (i) => cluster.annotatePod(names[i] ?? "", { [annotations.firstUserActivity]: rfc3339Nano(firstMs), [annotations.lastActivity]: rfc3339Nano(lastMs(i)) }), signal);
  signal.throwIfAborted();
}
