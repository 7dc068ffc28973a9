/** The phases of a workspace as commands name and colour them. */
import type { Style } from "./text.ts";

/** Names of the phases, in the order of a workspace's life. */
export const phases = ["PENDING", "CREATING", "INITIALIZING", "RUNNING", "INTERRUPTED", "STOPPING", "STOPPED", "UNKNOWN"] as const;

/** Colours of the phases. */
export const phaseStyles: ReadonlyMap<string, Style> = new Map([
  ["PENDING", "yellow"], ["CREATING", "yellow"], ["INITIALIZING", "cyan"], ["RUNNING", "green"], ["INTERRUPTED", "magenta"], ["STOPPING", "blue"], ["STOPPED", "dim"], ["UNKNOWN", "red"],
]);
