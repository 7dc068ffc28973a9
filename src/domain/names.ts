/** The labels, annotations and other names on Kubernetes objects that we share with the rest of an installation. */

/** Label that marks a pod as a workspace of ours; the watch selects by it. */
export const markerLabel = "gpwsman";
/** Label selector of the pods we watch. */
export const workspaceSelector = `${markerLabel}=true`;

/** Label keys on workspace pods. */
export const labels = {
  app: "app",
  component: "component",
  workspaceId: "workspaceID",
  owner: "owner",
  metaId: "metaID",
  project: "project",
  team: "team",
  type: "workspaceType",
  headless: "headless",
  workspaceClass: "gitpod.io/workspaceClass",
  networkPolicy: "gitpod.io/networkpolicy",
  pvcFeature: "gitpod.io/pvcFeature",
  fullWorkspaceBackup: "gitpod/fullWorkspaceBackup",
} as const;

/** Annotation keys on workspace pods. */
export const annotations = {
  id: "gitpod/id",
  servicePrefix: "gitpod/servicePrefix",
  url: "gitpod/url",
  ownerToken: "gitpod/ownerToken",
  admission: "gitpod/admission",
  imageSpec: "gitpod/imageSpec",
  contentInitializer: "gitpod/contentInitializer",
  exposedPorts: "gitpod/exposedPorts",
  sshPublicKeys: "gitpod.io/sshPublicKeys",
  neverReady: "gitpod/never-ready",
  timedOut: "gitpod/timedout",
  closed: "gitpod/closed",
  explicitFail: "gitpod/explicitFail",
  failedBeforeStopping: "gitpod/failedBeforeStopping",
  snapshot: "gitpod/snapshot",
  customTimeout: "gitpod/customTimeout",
  firstUserActivity: "gitpod/firstUserActivity",
  lastActivity: "gitpod.io/lastActivity",
  /** On pods that were made anew: when the workspace's first one was made, RFC 3339. */
  firstCreated: "gitpod.io/firstCreated",
  /** On image builds: another start was answered with this one. */
  joined: "gitpod.io/joined",
  /** On placeholders: what of the pod is kept out of its effect, as JSON. On pods that were made from one: the version of it that they were made from. */
  placeholder: "gitpod.io/placeholder",
  fullWorkspaceBackup: "gitpod/fullWorkspaceBackup",
  volumeSnapshot: "gitpod.io/volumeSnapshotName",
  startedDisposal: "gitpod.io/startedDisposal",
  /** From when the time for the end of the content counts, RFC 3339; written once, with startedDisposal. */
  disposalSince: "gitpod.io/disposalSince",
  disposalStatus: "gitpod.io/disposalStatus",
  nodeName: "gitpod.io/nodeName",
  stoppedByRequest: "gitpod.io/stoppedByRequest",
  attemptingToCreate: "gitpod.io/attemptingToCreate",
  cpuLimit: "gitpod.io/cpuLimit",
  containerIsGone: "gitpod.io/containerIsGone",
} as const;

/** Annotation on volume claims: a digest of the owner token of the start that made it, by which that start knows its own. */
export const claimMark = "gitpod.io/createdFor";
/** Annotation on volume snapshots that we take: the uid of the pod whose content is in it. */
export const snapshotMark = "gitpod.io/snapshotOf";

/** Prefix of the annotations that carry a start request's own metadata annotations. */
export const userAnnotationPrefix = "gitpod.io/annotation.";

/**
 * Environment variables of workspaces that requests can not set and that hold no secret: the installation's own. What a request may give a value, whatever its name, may be a secret;
 * so may the token for the API, and what is told of Git.
 */
export const ownVariables: ReadonlySet<string> = new Set([
  "GITPOD_REPO_ROOT", "GITPOD_REPO_ROOTS", "GITPOD_OWNER_ID", "GITPOD_WORKSPACE_ID", "GITPOD_INSTANCE_ID", "GITPOD_THEIA_PORT", "GITPOD_HOST", "GITPOD_WORKSPACE_URL", "GITPOD_WORKSPACE_CLUSTER_HOST",
  "GITPOD_WORKSPACE_CLASS", "GITPOD_INTERVAL", "GITPOD_MEMORY", "GITPOD_HEADLESS",
]);

/** Finalizer that keeps a pod until its content is safe. */
export const finalizer = "gitpod.io/finalizer";
/** Finalizer that keeps a pod for a look at it; people remove it. */
export const debugFinalizer = "gitpod.io/debugfinalizer";
/** Name of the container that every workspace pod has. */
export const workspaceContainer = "workspace";

/** Reasons of Kubernetes Events that the status depends on. */
export const eventReasons = ["FailedMount", "NetworkNotReady"] as const;
/** One of {@link eventReasons}. */
export type EventReason = (typeof eventReasons)[number];
