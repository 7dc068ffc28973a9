/** Labels, annotations and finalizers of a workspace pod (spec: kubernetes). */
import { encodeBase64 } from "../../domain/base64.ts";
import { annotations, debugFinalizer, finalizer, labels, markerLabel, userAnnotationPrefix, workspaceContainer } from "../../domain/names.ts";
import type { JsonObject } from "../../domain/json.ts";
import { registryfacade, wsman } from "../../gen/proto.js";
import type { ManagerConfig, WorkspaceClass } from "../config/types.ts";
import { encodeInitializer } from "./initializer.ts";
import { isHeadlessType, type WorkspaceStart } from "./start.ts";

/** What else they depend on. */
export interface MetadataContext {
  readonly manager: ManagerConfig;
  readonly workspaceClass: WorkspaceClass;
  readonly url: string;
  readonly ownerToken: string;
}

type Texts = Readonly<Record<string, string>>;

/** Makes the pod's metadata. */
export function renderMetadata(start: WorkspaceStart, podName: string, context: MetadataContext): JsonObject {
  return {
    name: podName,
    namespace: context.manager.namespace,
    labels: labelsOf(start, context.workspaceClass),
    annotations: annotationsOf(start, context),
    finalizers: context.manager.debugWorkspacePod ? [finalizer, debugFinalizer] : [finalizer],
  };
}

function labelsOf(start: WorkspaceStart, workspaceClass: WorkspaceClass): Texts {
  return {
    [labels.app]: "gitpod",
    [labels.component]: "workspace",
    [markerLabel]: "true",
    [labels.workspaceId]: start.id,
    [labels.owner]: start.owner,
    [labels.metaId]: start.metaId,
    [labels.project]: start.project,
    [labels.team]: start.team,
    [labels.type]: start.type.toLowerCase(),
    [labels.headless]: String(isHeadlessType(start.type)),
    [labels.workspaceClass]: workspaceClass.id,
    [labels.networkPolicy]: "default",
    ...(start.features.has("PERSISTENT_VOLUME_CLAIM") && { [labels.pvcFeature]: "true" }),
    ...(start.features.has("FULL_WORKSPACE_BACKUP") && { [labels.fullWorkspaceBackup]: "true" }),
  };
}

function annotationsOf(start: WorkspaceStart, { manager, url, ownerToken }: MetadataContext): Texts {
  const own = {
    [annotations.id]: start.id,
    [annotations.servicePrefix]: start.servicePrefix,
    [annotations.url]: url,
    [annotations.contentInitializer]: encodeBase64(encodeInitializer(start.initializer)),
    [annotations.neverReady]: "true",
    [annotations.admission]: start.admission.toLowerCase(),
    [annotations.imageSpec]: encodeBase64(imageSpec(start)),
    [annotations.ownerToken]: ownerToken,
    [annotations.attemptingToCreate]: "true",
    [`container.apparmor.security.beta.kubernetes.io/${workspaceContainer}`]: "unconfined",
    "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
    ...(manager.seccompProfile !== undefined && { "seccomp.security.alpha.kubernetes.io/pod": manager.seccompProfile }),
    ...(start.sshPublicKeys.length > 0 && { [annotations.sshPublicKeys]: encodeBase64(wsman.SSHPublicKeys.encode({ keys: [...start.sshPublicKeys] }).finish()) }),
    ...(start.timeout !== "" && { [annotations.customTimeout]: start.timeout }),
    ...(start.features.has("FULL_WORKSPACE_BACKUP") && { [annotations.fullWorkspaceBackup]: "true" }),
  };
  const given = start.annotations.map(([key, value]): [string, string] => [userAnnotationPrefix + key, value]);
  return { ...Object.fromEntries(given), ...own };
}

function imageSpec({ image, ide }: WorkspaceStart): Uint8Array {
  return registryfacade.ImageSpec.encode({ baseRef: image, ideRef: ide.web, desktopIdeRef: ide.desktop, supervisorRef: ide.supervisor }).finish();
}
