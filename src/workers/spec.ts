/** The parts of a status that are taken straight from the Pod (spec: status, "What makes a Pod a workspace" and "Fields taken straight from the Pod"). */
import { formatGoDuration } from "../domain/duration.ts";
import type { DeriveConfig } from "../domain/messages.ts";
import { annotations, labels, userAnnotationPrefix } from "../domain/names.ts";
import { stringAt } from "../domain/json.ts";
import { google, wsman } from "../gen/proto.js";
import { decodeExposedPorts, decodeImageSpec } from "./annotations.ts";
import { annotation, annotationText, InvalidPodError, label, labelText, type Pod } from "./pod.ts";

const types: ReadonlyMap<string, wsman.WorkspaceType> = new Map([
  ["REGULAR", wsman.WorkspaceType.REGULAR],
  ["PREBUILD", wsman.WorkspaceType.PREBUILD],
  ["PROBE", wsman.WorkspaceType.PROBE],
  ["IMAGEBUILD", wsman.WorkspaceType.IMAGEBUILD],
]);

/** What every workspace pod must have. */
export interface Identity {
  readonly id: string;
  readonly url: string;
  readonly image: string;
  readonly type: wsman.WorkspaceType;
}

/**
 * The identity of a workspace pod.
 * @throws InvalidPodError if the pod is no workspace.
 */
export function identityOf(pod: Pod): Identity {
  const id = annotationText(pod, annotations.id);
  if (id === "") throw new InvalidPodError(`cannot get ${annotations.id} annotation from ${pod.name}`);
  if (pod.workspaceImage === undefined) throw new InvalidPodError(`workspace pod for ${id} is degenerate - does not have workspace container`);
  const url = annotation(pod, annotations.url);
  if (url === undefined) throw new InvalidPodError(`pod ${pod.name} has no ${annotations.url} annotation`);
  return { id, url, image: pod.workspaceImage, type: typeOf(pod) };
}

function typeOf(pod: Pod): wsman.WorkspaceType {
  const name = label(pod, labels.type);
  if (name === undefined) return wsman.WorkspaceType.REGULAR;
  const type = types.get(name.toUpperCase());
  if (type === undefined) throw new InvalidPodError(`pod has invalid type label: ${name}`);
  return type;
}

/** Whether the workspace runs without a user. */
export function isHeadless(pod: Pod): boolean {
  return label(pod, labels.headless) === "true";
}

/** WorkspaceStatus.metadata. */
export function metadataOf(pod: Pod): wsman.WorkspaceMetadata.$Properties {
  const metadata: wsman.WorkspaceMetadata.$Properties = {
    owner: labelText(pod, labels.owner),
    metaId: labelText(pod, labels.metaId),
    annotations: userAnnotations(pod),
  };
  if (pod.createdAt !== undefined) metadata.startedAt = timestamp(Math.floor(pod.createdAt / 1000), (((pod.createdAt % 1000) + 1000) % 1000) * 1e6);
  const team = labelText(pod, labels.team);
  if (team !== "") metadata.team = team;
  const project = labelText(pod, labels.project);
  if (project !== "") metadata.project = project;
  return metadata;
}

/** A protobuf timestamp. */
export function timestamp(seconds: number, nanos: number): google.protobuf.Timestamp.$Properties {
  return google.protobuf.Timestamp.fromObject({ seconds, nanos });
}

/** The start request's own annotations, in an order that is the same for equal ones. Any name may occur as key, __proto__ too. */
function userAnnotations(pod: Pod): { [key: string]: string } {
  const keys = Object.keys(pod.annotations).filter((key) => key.startsWith(userAnnotationPrefix) && typeof pod.annotations[key] === "string").sort();
  const entries = keys.map((key): [string, string] => [key.slice(userAnnotationPrefix.length).toWellFormed(), stringAt(pod.annotations, key) ?? ""]);
  return Object.fromEntries(entries);
}

/**
 * WorkspaceStatus.spec.
 * @throws InvalidPodError `invalid image spec: ...`
 */
export function specOf(pod: Pod, identity: Identity, config: DeriveConfig): wsman.WorkspaceSpec.$Properties {
  const ports = annotationText(pod, annotations.exposedPorts);
  return {
    ...imagesOf(pod, identity),
    headless: isHeadless(pod),
    url: identity.url,
    exposedPorts: ports === "" ? [] : decodeExposedPorts(ports),
    type: identity.type,
    timeout: timeoutText(pod, config),
    class: labelText(pod, labels.workspaceClass),
  };
}

function imagesOf(pod: Pod, identity: Identity): Pick<wsman.WorkspaceSpec.$Properties, "workspaceImage" | "deprecatedIdeImage" | "ideImage"> {
  const packed = annotation(pod, annotations.imageSpec);
  if (packed === undefined) return { workspaceImage: identity.image, ideImage: {} };
  const { baseRef, ideRef, desktopIdeRef, supervisorRef } = decodeImageSpec(packed);
  return { workspaceImage: baseRef, deprecatedIdeImage: ideRef, ideImage: { webRef: ideRef, desktopRef: desktopIdeRef, supervisorRef } };
}

function timeoutText(pod: Pod, config: DeriveConfig): string {
  const custom = annotationText(pod, annotations.customTimeout);
  if (custom !== "") return custom;
  return config.regularWorkspaceTimeoutMs > 0 ? formatGoDuration(config.regularWorkspaceTimeoutMs) : "";
}

/** WorkspaceStatus.auth. */
export function authOf(pod: Pod): wsman.WorkspaceAuthentication.$Properties {
  const everyone = annotation(pod, annotations.admission)?.toUpperCase() === "ADMIT_EVERYONE";
  return {
    admission: everyone ? wsman.AdmissionLevel.ADMIT_EVERYONE : wsman.AdmissionLevel.ADMIT_OWNER_ONLY,
    ownerToken: annotationText(pod, annotations.ownerToken),
  };
}
