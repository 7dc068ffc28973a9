/** Looks at other processes of the machine, in Linux's /proc. */
import { readdir, readFile } from "node:fs/promises";

/** IDs of the processes that this one started and that run still; one that waits for nothing but to be forgotten does not. */
export async function childrenOf(parent: number): Promise<readonly number[]> {
  const ids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map(Number);
  const parents = await Promise.all(ids.map((id) => parentOf(id)));
  return ids.filter((_, i) => parents[i] === parent);
}

/** Whether it runs. */
export async function isRunning(id: number): Promise<boolean> {
  return (await parentOf(id)) !== undefined;
}

/** Undefined: it does not run. */
async function parentOf(id: number): Promise<number | undefined> {
  // "1 (name, with anything in it) S 0 ...": state and parent.
  const stat = await readFile(`/proc/${id}/stat`, "utf8").catch(() => "");
  const [state, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return state === undefined || state === "" || state === "Z" || state === "X" ? undefined : Number(parent);
}
