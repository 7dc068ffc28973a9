/** TakeSnapshot and BackupWorkspace: through the workspace's node daemon, whose status is passed on (spec: api). */
import { WsmanError } from "../../../domain/errors.ts";
import { wsman } from "../../../gen/proto.js";
import type { UnaryHandler } from "../calls.ts";
import type { CallDependencies } from "../ports.ts";
import { decodeRequest } from "../requests.ts";
import { workspaceOf } from "./workspace-of.ts";

/** Answers with the snapshot's location. */
export function takeSnapshot({ reader, writer, nodes }: CallDependencies): UnaryHandler {
  return async (request, call) => {
    const { id, returnImmediately } = decodeRequest(wsman.TakeSnapshotRequest, "TakeSnapshotRequest", request);
    const { facts } = workspaceOf({ reader, writer }, id);
    if (facts.phase !== wsman.WorkspacePhase.RUNNING) throw new WsmanError("FAILED_PRECONDITION", "can only take snapshots of running workspaces");
    const url = await nodes.takeSnapshot(facts.nodeName, facts.id, returnImmediately ?? false, call.signal);
    return Buffer.from(wsman.TakeSnapshotResponse.encode({ url }).finish());
  };
}

/** Answers with the backup's location. */
export function backupWorkspace({ reader, writer, nodes }: CallDependencies): UnaryHandler {
  return async (request, call) => {
    const { id } = decodeRequest(wsman.BackupWorkspaceRequest, "BackupWorkspaceRequest", request);
    const { facts } = workspaceOf({ reader, writer }, id);
    const url = await nodes.backup(facts.nodeName, facts.id, call.signal);
    return Buffer.from(wsman.BackupWorkspaceResponse.encode({ url }).finish());
  };
}
