/** Whether and why a workspace failed: the first rule that applies (spec: status, "Failure"). */
import { objectIn, stringAt, textAt } from "../domain/json.ts";
import type { PodEvent } from "../domain/messages.ts";
import { annotations } from "../domain/names.ts";
import { wsman } from "../gen/proto.js";
import { annotation, isBeingDeleted, type ContainerStatus, type Pod, type Terminated } from "./pod.ts";

/** A failure, or that there is none. */
export interface Failure {
  /** For conditions.failed; empty: not failed. */
  readonly text: string;
  /** The phase that the failure forces, which ends the derivation; undefined: goes on. */
  readonly phase: wsman.WorkspacePhase | undefined;
}

const notFailed: Failure = { text: "", phase: undefined };
/** Exit codes of a killed container and of one whose fate is unknown: both may recover. */
const exitKilled = 137;
const exitUnknown = 255;

/** The failure of a workspace. Events are looked at in the order given. */
export function findFailure(pod: Pod, events: readonly PodEvent[]): Failure {
  const found = failureWithoutEvents(pod);
  if (found !== undefined) return found;
  return mountsMatter(pod) ? mountFailure(events) : notFailed;
}

/** Whether an Event that comes or is forgotten can make a difference to {@link findFailure}. */
export function failureDependsOnEvents(pod: Pod): boolean {
  return mountsMatter(pod) && failureWithoutEvents(pod) === undefined;
}

/** A FailedMount is often transient: it counts only until a container has started. */
function mountsMatter(pod: Pod): boolean {
  return pod.phase === "Pending" && !pod.everStarted;
}

/** Undefined: no rule applies, events are to be looked at. */
function failureWithoutEvents(pod: Pod): Failure | undefined {
  const explicit = annotation(pod, annotations.explicitFail);
  if (explicit !== undefined) return { text: explicit, phase: undefined };
  if (pod.phase === "Failed" && (pod.reason !== "" || pod.message !== "")) return { text: `${pod.reason}: ${pod.message}`, phase: undefined };
  for (const container of pod.containers) {
    const found = pullFailure(pod, container) ?? terminationFailure(pod, container);
    if (found !== undefined) return found;
  }
  return undefined;
}

function pullFailure(pod: Pod, { waiting }: ContainerStatus): Failure | undefined {
  if (waiting?.reason !== "ImagePullBackOff" && waiting?.reason !== "ErrImagePull") return undefined;
  return { text: `cannot pull image: ${waiting.message}`, phase: unlessDeleted(pod, wsman.WorkspacePhase.CREATING) };
}

/** Undefined: nothing against this container, look at the next one. */
function terminationFailure(pod: Pod, container: ContainerStatus): Failure | undefined {
  const terminated = container.terminated ?? container.lastTerminated;
  if (terminated === undefined) return undefined;
  if (terminated.exitCode !== 0 && terminated.message !== "") {
    return { text: failureFromLog(terminated.message), phase: unlessDeleted(pod, wsman.WorkspacePhase.RUNNING) };
  }
  if (terminated.reason === "Completed") return notFailed;
  return isBeingDeleted(pod) ? undefined : unexpectedTermination(container.name, terminated);
}

function unexpectedTermination(name: string, { exitCode, reason, message }: Terminated): Failure | undefined {
  if (reason === "Error") {
    if (exitCode === exitKilled) return undefined;
    return { text: `container ${name} ran with an error: exit code ${exitCode}`, phase: wsman.WorkspacePhase.RUNNING };
  }
  if (exitCode === exitUnknown) return undefined;
  return { text: `workspace container ${name} terminated for an unknown reason: (${reason}) ${message}`, phase: wsman.WorkspacePhase.UNKNOWN };
}

function unlessDeleted(pod: Pod, phase: wsman.WorkspacePhase): wsman.WorkspacePhase | undefined {
  return isBeingDeleted(pod) ? undefined : phase;
}

function mountFailure(events: readonly PodEvent[]): Failure {
  const event = events.find((e) => e.reason === "FailedMount");
  if (event === undefined) return notFailed;
  return { text: event.message.includes("vol-this-workspace") ? "cannot mount workspace" : event.message.toWellFormed(), phase: undefined };
}

/** Kubernetes keeps 12 KiB of a termination message; this many lines fit only if they are next to empty. */
const maxLogLines = 2000;

/**
 * What a termination message says, taken as log lines: the last complete line that is JSON with a `message`, as `message` or
 * `message: error`; the whole text if there is none. A line is complete if a newline follows it.
 */
export function failureFromLog(log: string): string {
  let end = log.lastIndexOf("\n");
  for (let lines = 0; end > 0 && lines < maxLogLines; lines++) {
    const start = log.lastIndexOf("\n", end - 1);
    const found = failureFromLine(log.slice(start + 1, end));
    if (found !== undefined) return found;
    end = start;
  }
  return log;
}

function failureFromLine(line: string): string | undefined {
  const trimmed = line.trim();
  if (!trimmed.startsWith("{") || !trimmed.endsWith("}")) return undefined;
  const entry = objectIn(trimmed);
  const message = textAt(entry, "message");
  const error = stringAt(entry, "error");
  if (message === "" || (error === undefined && entry?.["error"] !== undefined && entry["error"] !== null)) return undefined;
  return error === undefined || error === "" ? message : `${message}: ${error}`;
}
