/** What a container's status says of its past. */
import { integerAt, objectAt, type JsonObject } from "./json.ts";

/** Whether it has started at some time: one of status.containerStatuses or status.initContainerStatuses. A termination without a start time is how the kubelet reports containers that never ran. */
export function hasStarted(container: JsonObject): boolean {
  const state = objectAt(container, "state");
  const terminated = objectAt(state, "terminated") ?? objectAt(objectAt(container, "lastState"), "terminated");
  const restarts = integerAt(container, "restartCount") ?? 0;
  return objectAt(state, "running") !== undefined || typeof terminated?.["startedAt"] === "string" || restarts > 0 || container["started"] === true;
}
