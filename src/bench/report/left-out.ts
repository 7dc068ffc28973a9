/** Figures that need to know more of the daemon than its calls tell: which of them a report lacks, and why. */
import type { Options } from "../options.ts";
import type { Figures } from "./figures.ts";

/** Names of figures by what they need; one that ends in * stands for all that begin like it. */
export interface Needs {
  /** The daemon's process. */
  readonly pid?: readonly string[];
  /** Its metrics. */
  readonly metrics?: readonly string[];
  /** One of the two. */
  readonly pidOrMetrics?: readonly string[];
  /** A daemon that the tool has started. */
  readonly ownDaemon?: readonly string[];
  /** A built-in cluster, be it the tool's own or not. */
  readonly builtIn?: readonly string[];
}

/** What is known of the daemon. */
export interface Known {
  readonly options: Pick<Options, "target" | "pid" | "metrics" | "kubeconfig">;
  /** Whether its process was seen. */
  readonly seen: boolean;
  /** Whether the run came to its end: else all may lack for that alone. */
  readonly complete: boolean;
}

/** Why figures are not there, by their names. Those that lack for other reasons, as after too short a time, are not among them. */
export function leftOut(needs: Needs, figures: Figures, known: Known): Readonly<Record<string, string>> {
  const names = Object.keys(figures);
  const isThere = (name: string): boolean => (name.endsWith("*") ? names.some((one) => one.startsWith(name.slice(0, -1))) : names.includes(name));
  const reasons = reasonsFor(known);
  return Object.fromEntries((["pid", "pidOrMetrics", "metrics", "ownDaemon", "builtIn"] as const).flatMap((need) => {
    const why = reasons[need];
    return why === undefined ? [] : (needs[need] ?? []).filter((name) => !isThere(name)).map((name) => [name, why] as const);
  }));
}

/** The same as one note; none if nothing is left out. */
export function leftOutNote(left: Readonly<Record<string, string>>): readonly string[] {
  const groups = Map.groupBy(Object.entries(left), ([, why]) => why);
  return groups.size === 0 ? [] : [`left out: ${[...groups].map(([why, some]) => `${some.map(([name]) => name).join(", ")}: ${why}`).join("; ")}`];
}

function reasonsFor(known: Known): Readonly<Record<keyof Needs, string | undefined>> {
  const { options: { target, kubeconfig, pid, metrics }, complete } = known;
  return {
    pid: processReason(known),
    pidOrMetrics: target && pid === undefined && metrics === undefined ? "give --pid or --metrics" : processReason(known),
    metrics: target && metrics === undefined ? "give --metrics" : target && complete ? "--metrics does not tell enough for it" : undefined,
    ownDaemon: target && "measured only of a daemon that the tool starts itself",
    builtIn: kubeconfig === undefined ? undefined : "measured only on a built-in cluster",
  };
}

function processReason({ options: { target, pid }, seen, complete }: Known): string | undefined {
  if (target && pid === undefined) return "give --pid";
  return seen || !complete ? undefined : `the daemon's process${pid === undefined ? "" : ` (--pid ${pid})`} was not seen on this machine`;
}
