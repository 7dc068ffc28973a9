/** The faults that can be asked of a pod, and how they are written: `name[:argument][@delay]`, separated by commas. */
import { parseGoDuration } from "../../domain/duration.ts";

/** Annotation on a pod that asks for faults. */
export const faultAnnotation = "embedded.wsmand.dev/fault";

const names = [
  /** Pulling fails: for good, or as many times as the argument says. */
  "image-pull",
  /** The volume cannot be mounted: for good, or for the duration given. */
  "failed-mount",
  /** The image takes the given duration (default 60s) longer. */
  "slow-start",
  /** The container never becomes ready. */
  "never-ready",
  /** The kubelet refuses the pod; the argument is the reason, default OutOfcpu. */
  "admission-reject",
  /** The container ends with the exit code given (default 1; 0 is a normal end). */
  "crash",
  /** The container is killed for its memory. */
  "oom",
  /** The kubelet evicts the pod for lack of memory on the node. */
  "evict",
  /** The container vanishes (exit code 255) and is started again. */
  "interrupt",
  /** As interrupt, with the Event NetworkNotReady. */
  "network-not-ready",
  /** The container ends with exit code 1 and the rest of the text, commas and all, as its termination message. */
  "container-error",
  /** Nothing more is heard of the pod: no status, no end when deleted; with a duration, only for that long. */
  "lost",
  /** On SIGTERM the container ends with the exit code given (default 143). */
  "term",
  /** The container ignores SIGTERM and is killed (137) at the end of the grace period. */
  "ignore-term",
] as const;

/** One of the faults. */
export type FaultName = (typeof names)[number];

/** A fault that was asked for. */
export interface Fault {
  readonly name: FaultName;
  /** What stands after the colon, "" if nothing. */
  readonly argument: string;
  /** When it strikes, after the container has started; milliseconds. */
  readonly delayMs?: number;
}

/** The faults that strike a container that runs. */
export const strikingFaults: ReadonlySet<FaultName> = new Set<FaultName>(["crash", "oom", "evict", "interrupt", "network-not-ready", "container-error", "lost"]);

/** Longest text that is looked at; the rest is cut off. */
const maxText = 4096;

/** What a text asks for; words that name no fault are given back in `unknown`. */
export function parseFaults(source: string): { readonly faults: readonly Fault[]; readonly unknown: readonly string[] } {
  const faults: Fault[] = [];
  const unknown: string[] = [];
  let rest = source.slice(0, maxText);
  while (rest.trim() !== "") {
    const containerError = /^\s*container-error(?:@([0-9a-z.]+))?:(.*)$/s.exec(rest);
    if (containerError) {
      faults.push(withDelay({ name: "container-error", argument: containerError[2] ?? "" }, containerError[1]));
      break;
    }
    const comma = rest.indexOf(",");
    const word = (comma < 0 ? rest : rest.slice(0, comma)).trim();
    rest = comma < 0 ? "" : rest.slice(comma + 1);
    const fault = parseFault(word);
    if (fault) faults.push(fault);
    else if (word !== "") unknown.push(word);
  }
  return { faults, unknown };
}

function parseFault(word: string): Fault | undefined {
  const match = /^([a-z-]+)(?::([^@]*))?(?:@(.+))?$/s.exec(word);
  const name = names.find((known) => known === match?.[1]);
  if (!match || !name) return undefined;
  if (match[3] !== undefined && parseGoDuration(match[3]) === undefined) return undefined;
  return withDelay({ name, argument: match[2] ?? "" }, match[3]);
}

function withDelay(fault: Fault, delay: string | undefined): Fault {
  const delayMs = delay === undefined ? undefined : parseGoDuration(delay);
  return delayMs === undefined ? fault : { ...fault, delayMs: Math.max(0, delayMs) };
}

/** The argument as a whole number. */
export function countOf(fault: Fault, fallback: number): number {
  return /^\d{1,9}$/.test(fault.argument) ? Number(fault.argument) : fallback;
}

/** The argument as a duration, milliseconds. */
export function durationOf(fault: Fault, fallback: number): number {
  return Math.max(0, parseGoDuration(fault.argument) ?? fallback);
}
