/** Statuses that clients write: members that the API always shows, and changes that it refuses. */
import type { KubeObject } from "../contract.ts";
import type { JsonObject } from "../../domain/json.ts";
import type { FieldError } from "./errors.ts";
import { at, isObject, listOr, objectOr } from "./json.ts";
import type { ResourceType } from "./resources.ts";

/** The status as it is stored, given the object's last one. */
export function completeStatus(type: ResourceType, old: KubeObject, status: JsonObject): JsonObject {
  if (type.plural === "pods") return completePodStatus(objectOr(old["status"]), status);
  return type.plural === "nodes" ? completeNodeStatus(objectOr(old["status"]), status) : status;
}

function completePodStatus(old: JsonObject, status: JsonObject): JsonObject {
  const { podIP, podIPs, qosClass = old["qosClass"] } = status;
  const addresses = typeof podIP === "string" && podIP !== "" && listOr(podIPs).length === 0 ? { podIPs: [{ ip: podIP }] } : {};
  return {
    ...status, ...addresses,
    ...(qosClass === undefined ? {} : { qosClass }),
    ...each(status, "conditions", (condition) => ({ lastProbeTime: null, lastTransitionTime: null, ...condition })),
    ...each(status, "initContainerStatuses", completeContainer), ...each(status, "containerStatuses", completeContainer),
  };
}

function completeContainer(container: JsonObject): JsonObject {
  return { state: {}, lastState: {}, ready: false, restartCount: 0, image: "", imageID: "", ...container };
}

function completeNodeStatus(old: JsonObject, status: JsonObject): JsonObject {
  const { capacity, allocatable = capacity } = status;
  return {
    ...status,
    ...(allocatable === undefined ? {} : { allocatable }),
    ...each(status, "conditions", (condition) => ({ lastHeartbeatTime: null, lastTransitionTime: null, ...condition })),
    daemonEndpoints: status["daemonEndpoints"] ?? old["daemonEndpoints"] ?? {},
    nodeInfo: { ...objectOr(old["nodeInfo"]), ...objectOr(status["nodeInfo"]) },
  };
}

function each(status: JsonObject, name: string, complete: (item: JsonObject) => JsonObject): JsonObject {
  const list = status[name];
  return Array.isArray(list) ? { [name]: list.map((item: unknown) => (isObject(item) ? complete(item) : item)) } : {};
}

/** A container of a pod that is never restarted does not come back once it has ended. */
export function statusErrors(type: ResourceType, old: KubeObject, status: JsonObject): readonly FieldError[] {
  if (type.plural !== "pods" || at(old, "spec", "restartPolicy") !== "Never") return [];
  const ended = new Set(listOr(at(old, "status", "containerStatuses")).filter(hasEnded).map((container) => at(container, "name")));
  return listOr(status["containerStatuses"]).flatMap((container, i): readonly FieldError[] =>
    ended.has(at(container, "name")) && !hasEnded(container)
      ? [{ field: `status.containerStatuses[${i}].state`, reason: "FieldValueForbidden", message: "Forbidden: may not be transitioned to non-terminated state" }]
      : []);
}

function hasEnded(container: unknown): boolean {
  return isObject(at(container, "state", "terminated"));
}
