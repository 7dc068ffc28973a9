/** ControlAdmission: who may open a workspace (spec: api). */
import { WsmanError } from "../../../domain/errors.ts";
import { annotations } from "../../../domain/names.ts";
import { wsman } from "../../../gen/proto.js";
import type { UnaryHandler } from "../calls.ts";
import type { CallDependencies } from "../ports.ts";
import { decodeRequest } from "../requests.ts";
import { emptyResponse } from "../responses.ts";
import { workspaceOf } from "./workspace-of.ts";

/** As they stand in the annotation. */
const levels: ReadonlyMap<number, string> = new Map([
  [wsman.AdmissionLevel.ADMIT_OWNER_ONLY, "admit_owner_only"],
  [wsman.AdmissionLevel.ADMIT_EVERYONE, "admit_everyone"],
]);
const { STOPPING, STOPPED } = wsman.WorkspacePhase;

/** Notes the level on the pod. */
export function controlAdmission({ reader, writer }: CallDependencies): UnaryHandler {
  return async (request, call) => {
    const { id, level } = decodeRequest(wsman.ControlAdmissionRequest, "ControlAdmissionRequest", request);
    const name = levels.get(level ?? 0);
    if (name === undefined) throw new WsmanError("INVALID_ARGUMENT", `admission level ${String(level)} is unknown`);
    const workspace = workspaceOf({ reader, writer }, id);
    if (workspace.facts.phase === STOPPING || workspace.facts.phase === STOPPED) throw new WsmanError("FAILED_PRECONDITION", "cannot control admission of stopping workspaces");
    await writer.annotate(workspace, { [annotations.admission]: name }, `control the admission of workspace ${workspace.facts.id}`, call.signal);
    return emptyResponse;
  };
}
