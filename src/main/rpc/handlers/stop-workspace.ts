/** StopWorkspace: asks for the end of a workspace, whatever its phase (spec: api). */
import { WsmanError } from "../../../domain/errors.ts";
import { annotations } from "../../../domain/names.ts";
import { wsman } from "../../../gen/proto.js";
import type { UnaryHandler } from "../calls.ts";
import type { CallDependencies } from "../ports.ts";
import { decodeRequest } from "../requests.ts";
import { emptyResponse } from "../responses.ts";
import { requireSynced } from "./get-workspaces.ts";
import { workspaceOf } from "./workspace-of.ts";

/** Grace periods as Go durations. */
const gracePeriods: ReadonlyMap<number, string> = new Map([
  [wsman.StopWorkspacePolicy.NORMALLY, "30s"],
  [wsman.StopWorkspacePolicy.IMMEDIATELY, "1s"],
]);

/** Notes the wish on the pod; the lifecycle controller does the rest. */
export function stopWorkspace({ reader, writer, starter }: CallDependencies): UnaryHandler {
  return async (request, call) => {
    const { id, policy } = decodeRequest(wsman.StopWorkspaceRequest, "StopWorkspaceRequest", request);
    const grace = gracePeriods.get(policy ?? 0);
    if (grace === undefined) throw new WsmanError("INVALID_ARGUMENT", `policy ${String(policy)} is unknown`);
    requireSynced(reader);
    // Its client may have given the start up, and what was begun comes up all the same.
    await starter.arrival(id ?? "", call.signal);
    const workspace = workspaceOf({ reader, writer }, id);
    await writer.annotate(workspace, { [annotations.stoppedByRequest]: grace }, `stop workspace ${workspace.facts.id}`, call.signal);
    return emptyResponse;
  };
}
