/** What a workspace's status becomes when its pod is gone. */
import { wsman } from "../gen/proto.js";

/** The last status, but stopped. A message about another phase would mislead. */
export function stoppedStatus<T extends wsman.WorkspaceStatus.$Properties>(last: T): T {
  return { ...last, phase: wsman.WorkspacePhase.STOPPED, message: "", conditions: { ...last.conditions, deployed: wsman.WorkspaceConditionBool.FALSE } };
}
