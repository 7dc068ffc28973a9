/** Makes the daemon's worker threads fail at pods that ask for it, by code that Node loads before the daemon's. */
import { annotations } from "../../src/domain/names.ts";

/** How a pod makes the worker fail that reads it: always, or the first of all that do. */
export type Failure = "crash-always" | "crash-once" | "hang-once" | "grow-once";

/** Runs in each thread; the main thread stays sound. A folder that can be made once, by one of them, tells the first. */
const preload = (folder: string): string => `
import { mkdirSync } from "node:fs";
import { isMainThread } from "node:worker_threads";
const parse = JSON.parse;
const first = (name) => { try { mkdirSync(${JSON.stringify(folder)} + "/" + name); return true; } catch { return false; } };
const asked = (text, name) => typeof text === "string" && text.includes('"' + name + '"');
if (!isMainThread) JSON.parse = (text, ...more) => {
  if (asked(text, "crash-always")) process.exit(1);
  if (asked(text, "crash-once") && first("crash")) process.exit(1);
  if (asked(text, "hang-once") && first("hang")) for (;;);
  if (asked(text, "grow-once") && first("grow")) for (const all = []; ; ) all.push({ all: [...all] });
  return parse(text, ...more);
};`;

/** Flags of Node for such a daemon. @param folder an empty one, for marks. */
export function failingWorkers(folder: string): readonly string[] {
  return ["--import", `data:text/javascript,${encodeURIComponent(preload(folder))}`];
}

/** The annotation by which a pod asks. */
export function failing(how: Failure): Readonly<Record<string, string>> {
  return { [annotations.servicePrefix]: how };
}
