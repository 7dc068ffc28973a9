/** A pod in one word, as kubectl shows it. */
import type { KubeObject } from "../contract.ts";
import type { JsonObject } from "../../domain/json.ts";
import { at, isObject, listOr, textOr } from "./json.ts";

function statuses(pod: KubeObject, list: string): readonly JsonObject[] {
  return listOr(at(pod, "status", list)).filter(isObject);
}

/** Ready containers of all, `1/2`. */
export function podReady(pod: KubeObject): string {
  const ready = statuses(pod, "containerStatuses").filter((status) => status["ready"] === true && at(status, "state", "running") !== undefined);
  return `${ready.length}/${listOr(at(pod, "spec", "containers")).length}`;
}

/** Restarts of all containers, and when the last one was. */
export function podRestarts(pod: KubeObject): { readonly count: number; readonly last: string | undefined } {
  let count = 0;
  let last: string | undefined;
  for (const status of [...statuses(pod, "initContainerStatuses"), ...statuses(pod, "containerStatuses")]) {
    if (typeof status["restartCount"] === "number") count += status["restartCount"];
    const finished = textOr(at(status, "lastState", "terminated", "finishedAt"));
    if (finished !== "" && (last === undefined || Date.parse(finished) > Date.parse(last))) last = finished;
  }
  return { count, last };
}

/** Phase, or the reason of what is the matter. */
export function podStatus(pod: KubeObject): string {
  const phase = textOr(at(pod, "status", "phase"));
  const reason = textOr(at(pod, "status", "reason"));
  if (pod.metadata.deletionTimestamp !== undefined && reason === "NodeLost") return "Unknown";
  if (pod.metadata.deletionTimestamp !== undefined && phase !== "Succeeded" && phase !== "Failed") return "Terminating";
  return initReason(pod) ?? containerReason(pod, reason || phase);
}

function initReason(pod: KubeObject): string | undefined {
  const all = statuses(pod, "initContainerStatuses");
  const total = listOr(at(pod, "spec", "initContainers")).length;
  for (const [i, status] of all.entries()) {
    const terminated = at(status, "state", "terminated");
    if (isObject(terminated) && terminated["exitCode"] === 0) continue;
    if (isObject(terminated)) return `Init:${endReason(terminated)}`;
    const waiting = textOr(at(status, "state", "waiting", "reason"));
    return waiting !== "" && waiting !== "PodInitializing" ? `Init:${waiting}` : `Init:${i}/${total}`;
  }
  return undefined;
}

function containerReason(pod: KubeObject, otherwise: string): string {
  let result = otherwise;
  let running = false;
  for (const status of statuses(pod, "containerStatuses").toReversed()) {
    const waiting = textOr(at(status, "state", "waiting", "reason"));
    const terminated = at(status, "state", "terminated");
    if (waiting !== "") result = waiting;
    else if (isObject(terminated)) result = endReason(terminated);
    else if (status["ready"] === true && at(status, "state", "running") !== undefined) running = true;
  }
  if (result !== "Completed" || !running) return result;
  const ready = listOr(at(pod, "status", "conditions")).some((condition) => at(condition, "type") === "Ready" && at(condition, "status") === "True");
  return ready ? "Running" : "NotReady";
}

function endReason(terminated: JsonObject): string {
  const reason = textOr(terminated["reason"]);
  if (reason !== "") return reason;
  const signal = terminated["signal"];
  if (typeof signal === "number" && signal !== 0) return `Signal:${signal}`;
  return `ExitCode:${Number(terminated["exitCode"])}`;
}
