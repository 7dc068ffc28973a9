/** What a node daemon has to know to put a workspace's content in place, from its pod (spec: lifecycle, "Content initialization"). */
import type { Action } from "../domain/actions.ts";
import { decodeBase64 } from "../domain/base64.ts";
import type { ResultRange, WorkspaceFacts } from "../domain/messages.ts";
import { annotations, labels } from "../domain/names.ts";
import { wsman } from "../gen/proto.js";
import type { BatchBytes } from "./encode.ts";
import { annotation, label, type Pod } from "./pod.ts";

/** Adds the request where the actions have use for it; undefined where they have not, or the pod has no initializer that can be read. */
export function addInitRequest(pod: Pod, { id, owner, metaId, type }: WorkspaceFacts, actions: readonly Action[], bytes: BatchBytes): ResultRange | undefined {
  if (!actions.some(({ action }) => action === "initializeContent" || action === "waitForReady")) return undefined;
  const text = annotation(pod, annotations.contentInitializer);
  const initializer = text === undefined ? undefined : decodeBase64(text);
  if (!initializer) return undefined;
  return bytes.addInit({
    id,
    metadata: { owner, metaId },
    fullWorkspaceBackup: label(pod, labels.fullWorkspaceBackup) === "true",
    remoteStorageDisabled: type === wsman.WorkspaceType.IMAGEBUILD,
    persistentVolumeClaim: label(pod, labels.pvcFeature) === "true",
  }, initializer);
}
