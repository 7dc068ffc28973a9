/** DeleteVolumeSnapshot: a snapshot, and the cloud provider's with it (spec: api). */
import { WsmanError } from "../../../domain/errors.ts";
import { isDnsSubdomain } from "../../../domain/kubernetes-names.ts";
import { wsman } from "../../../gen/proto.js";
import type { UnaryHandler } from "../calls.ts";
import type { CallDependencies } from "../ports.ts";
import { decodeRequest } from "../requests.ts";

/** Deletes it, if need be after bringing it back, for without its object in the cluster the provider's snapshot would stay. */
export function deleteVolumeSnapshot({ snapshots }: CallDependencies): UnaryHandler {
  return async (request, call) => {
    const { id, volumeHandle, softDelete } = decodeRequest(wsman.DeleteVolumeSnapshotRequest, "DeleteVolumeSnapshotRequest", request);
    const name = id ?? "";
    if (!isDnsSubdomain(name)) throw new WsmanError("INVALID_ARGUMENT", name === "" ? "id is required" : "id can not be the name of a volume snapshot");
    const wasDeleted = await snapshots.delete(name, volumeHandle ?? "", softDelete ?? false, call.signal);
    return Buffer.from(wsman.DeleteVolumeSnapshotResponse.encode({ wasDeleted }).finish());
  };
}
