/** The volume claim of a workspace (spec: kubernetes, "PVC"). */
import { WsmanError } from "../../domain/errors.ts";
import type { JsonObject } from "../../domain/json.ts";
import type { RenderContext } from "./pod.ts";
import { podNameOf } from "./pod.ts";
import type { WorkspaceStart } from "./start.ts";

/**
 * Makes the claim that a workspace with PERSISTENT_VOLUME_CLAIM needs; undefined for others.
 * @throws WsmanError FAILED_PRECONDITION if the class does not say how large claims are.
 */
export function renderPvc(start: WorkspaceStart, { manager, workspaceClass }: Pick<RenderContext, "manager" | "workspaceClass">): JsonObject | undefined {
  if (!start.features.has("PERSISTENT_VOLUME_CLAIM")) return undefined;
  const { size, storageClass } = workspaceClass.pvc;
  if (size === undefined) throw new WsmanError("FAILED_PRECONDITION", `workspace class "${workspaceClass.id}" has no pvc.size, which the feature PERSISTENT_VOLUME_CLAIM needs`);
  const snapshot = start.volumeSnapshotName;
  return {
    apiVersion: "v1",
    kind: "PersistentVolumeClaim",
    metadata: { name: podNameOf(start), namespace: manager.namespace },
    spec: {
      accessModes: ["ReadWriteOnce"],
      resources: { requests: { storage: size } },
      ...(storageClass !== undefined && { storageClassName: storageClass }),
      ...(snapshot !== "" && { dataSource: { apiGroup: "snapshot.storage.k8s.io", kind: "VolumeSnapshot", name: snapshot } }),
    },
  };
}
