/** What a start request asks for, with nothing missing: the form that pods and claims are rendered from. */
import { WsmanError } from "../../domain/errors.ts";
import { isDnsSubdomain } from "../../domain/kubernetes-names.ts";
import { wsman, type contentservice } from "../../gen/proto.js";

/** Purposes of workspaces. */
export type StartType = "REGULAR" | "PREBUILD" | "PROBE" | "IMAGEBUILD";
/** Who may open a workspace. */
export type StartAdmission = "ADMIT_OWNER_ONLY" | "ADMIT_EVERYONE";
/** Variants of workspaces. */
export type StartFeature = "NOOP" | "FULL_WORKSPACE_BACKUP" | "FIXED_RESOURCES" | "PERSISTENT_VOLUME_CLAIM";

/** An environment variable that the request brings. */
export interface StartEnvVar {
  readonly name: string;
  readonly value: string;
  readonly secret: { readonly name: string; readonly key: string } | undefined;
}

/** A start request. Texts that it leaves out are empty. */
export interface WorkspaceStart {
  readonly id: string;
  /** The ID, if the request has none. */
  readonly servicePrefix: string;
  readonly type: StartType;
  readonly owner: string;
  readonly metaId: string;
  readonly team: string;
  readonly project: string;
  /** The request's own annotations; any name may occur as key. */
  readonly annotations: readonly (readonly [string, string])[];
  readonly image: string;
  readonly ide: { readonly web: string; readonly desktop: string; readonly supervisor: string };
  readonly workspaceLocation: string;
  readonly initializer: contentservice.WorkspaceInitializer.$Properties;
  readonly features: ReadonlySet<StartFeature>;
  readonly admission: StartAdmission;
  readonly env: readonly StartEnvVar[];
  readonly git: { readonly name: string; readonly email: string };
  /** Go duration. */
  readonly timeout: string;
  /** As requested, whether or not there is such a class. */
  readonly workspaceClass: string;
  readonly sshPublicKeys: readonly string[];
  readonly volumeSnapshotName: string;
  readonly volumeSnapshotHandle: string;
}

/** Types by their number in the protocol. */
export const startTypes: ReadonlyMap<number, StartType> = new Map([
  [wsman.WorkspaceType.REGULAR, "REGULAR"],
  [wsman.WorkspaceType.PREBUILD, "PREBUILD"],
  [wsman.WorkspaceType.PROBE, "PROBE"],
  [wsman.WorkspaceType.IMAGEBUILD, "IMAGEBUILD"],
]);
/** Levels of admission by their number in the protocol. */
export const startAdmissions: ReadonlyMap<number, StartAdmission> = new Map([
  [wsman.AdmissionLevel.ADMIT_OWNER_ONLY, "ADMIT_OWNER_ONLY"],
  [wsman.AdmissionLevel.ADMIT_EVERYONE, "ADMIT_EVERYONE"],
]);
/** Feature flags by their number in the protocol. */
export const startFeatures: ReadonlyMap<number, StartFeature> = new Map([
  [wsman.WorkspaceFeatureFlag.NOOP, "NOOP"],
  [wsman.WorkspaceFeatureFlag.FULL_WORKSPACE_BACKUP, "FULL_WORKSPACE_BACKUP"],
  [wsman.WorkspaceFeatureFlag.FIXED_RESOURCES, "FIXED_RESOURCES"],
  [wsman.WorkspaceFeatureFlag.PERSISTENT_VOLUME_CLAIM, "PERSISTENT_VOLUME_CLAIM"],
]);

/**
 * Reads a request. Beyond what would make a pod unsafe or impossible to render nothing is checked: validation.ts does that.
 * @throws WsmanError INVALID_ARGUMENT for an ID that is no name, and for a type, admission level or feature flag that is unknown.
 */
export function readStart(request: wsman.StartWorkspaceRequest.$Properties): WorkspaceStart {
  const id = request.id ?? "";
  // The ID becomes a part of paths on the node.
  if (!isDnsSubdomain(id)) throw new WsmanError("INVALID_ARGUMENT", "the id can not be a part of a pod's name");
  const spec = request.spec ?? {};
  return {
    id,
    servicePrefix: request.servicePrefix || id,
    type: known(startTypes, request.type ?? 0, "workspace type"),
    ...metadataOf(request.metadata ?? {}),
    ...contentOf(spec),
    ...optionsOf(spec),
    env: envVarsOf(spec),
  };
}

function known<T>(values: ReadonlyMap<number, T>, value: number, what: string): T {
  const found = values.get(value);
  if (found === undefined) throw new WsmanError("INVALID_ARGUMENT", `${what} ${value} is unknown`);
  return found;
}

function metadataOf(metadata: wsman.WorkspaceMetadata.$Properties): Pick<WorkspaceStart, "owner" | "metaId" | "team" | "project" | "annotations"> {
  return {
    owner: metadata.owner ?? "",
    metaId: metadata.metaId ?? "",
    team: metadata.team ?? "",
    project: metadata.project ?? "",
    annotations: Object.entries(metadata.annotations ?? {}),
  };
}

function contentOf(spec: wsman.StartWorkspaceSpec.$Properties): Pick<WorkspaceStart, "image" | "ide" | "workspaceLocation" | "initializer" | "sshPublicKeys" | "volumeSnapshotName" | "volumeSnapshotHandle"> {
  return {
    image: spec.workspaceImage ?? "",
    ide: ideOf(spec),
    workspaceLocation: spec.workspaceLocation ?? "",
    initializer: spec.initializer ?? {},
    sshPublicKeys: spec.sshPublicKeys ?? [],
    volumeSnapshotName: spec.volumeSnapshot?.volumeSnapshotName ?? "",
    volumeSnapshotHandle: spec.volumeSnapshot?.volumeSnapshotHandle ?? "",
  };
}

function ideOf({ ideImage, deprecatedIdeImage }: wsman.StartWorkspaceSpec.$Properties): WorkspaceStart["ide"] {
  const { webRef, desktopRef, supervisorRef } = ideImage ?? {};
  return { web: webRef || (deprecatedIdeImage ?? ""), desktop: desktopRef ?? "", supervisor: supervisorRef ?? "" };
}

function optionsOf(spec: wsman.StartWorkspaceSpec.$Properties): Pick<WorkspaceStart, "features" | "admission" | "git" | "timeout" | "workspaceClass"> {
  return {
    features: new Set((spec.featureFlags ?? []).map((flag) => known(startFeatures, flag, "feature flag"))),
    admission: known(startAdmissions, spec.admission ?? 0, "admission level"),
    git: { name: spec.git?.username ?? "", email: spec.git?.email ?? "" },
    timeout: spec.timeout ?? "",
    workspaceClass: spec.class ?? "",
  };
}

/** The environment variables that a spec brings. */
export function envVarsOf({ envvars }: wsman.StartWorkspaceSpec.$Properties): readonly StartEnvVar[] {
  return (envvars ?? []).map(({ name, value, secret }) => ({
    name: name ?? "",
    value: value ?? "",
    secret: secret ? { name: secret.secretName ?? "", key: secret.key ?? "" } : undefined,
  }));
}

/** Whether a workspace of a type runs without a user. */
export function isHeadlessType(type: StartType): boolean {
  return type !== "REGULAR";
}
