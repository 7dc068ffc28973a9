/** The pod of a workspace (spec: kubernetes, "The workspace pod"). Deterministic: tokens are parameters. */
import { asObject, objectAt, objectsAt, textAt, type JsonObject } from "../../domain/json.ts";
import { annotations, workspaceContainer } from "../../domain/names.ts";
import type { ManagerConfig, WorkspaceClass } from "../config/types.ts";
import { renderUrl } from "../config/url-template.ts";
import { renderContainer } from "./container.ts";
import { mergePod } from "./merge.ts";
import { renderMetadata } from "./metadata.ts";
import { isHeadlessType, type StartType, type WorkspaceStart } from "./start.ts";

/** What a workspace is rendered with, beside the request. */
export interface RenderContext {
  readonly manager: ManagerConfig;
  /** The class that the workspace gets; see selectClass. */
  readonly workspaceClass: WorkspaceClass;
  /** The class's templates for the type, merged by combineTemplates; undefined: none. */
  readonly template: JsonObject | undefined;
  /** Set the seccomp profile in the security context as well. */
  readonly seccompField: boolean;
  readonly ownerToken: string;
  readonly cliApiToken: string;
}

const prefixes: Readonly<Record<StartType, string>> = { REGULAR: "ws", PREBUILD: "prebuild", PROBE: "probe", IMAGEBUILD: "imagebuild" };

/** Group of the files on a claim: the workspace's group as the node sees it, outside the container's user namespace. */
const claimGroup = 133_332;

/** The name that pod and claim of a workspace have. */
export function podNameOf({ id, type }: Pick<WorkspaceStart, "id" | "type">): string {
  return `${prefixes[type]}-${id}`;
}

/** Where the workspace is reached. */
export function workspaceUrl({ id, servicePrefix }: WorkspaceStart, manager: ManagerConfig): string {
  return renderUrl(manager.urlTemplate, { ID: id, Prefix: servicePrefix, Host: manager.hostURL });
}

/** Makes the pod, ready to be created. @throws WsmanError FAILED_PRECONDITION if the configuration names no registry. */
export function renderPod(start: WorkspaceStart, context: RenderContext): JsonObject {
  const name = podNameOf(start);
  const url = workspaceUrl(start, context.manager);
  const { container, volumes } = renderContainer(start, name, { ...context, url });
  const pod = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: renderMetadata(start, name, { ...context, url }),
    spec: {
      ...(start.metaId !== "" && { hostname: start.metaId }),
      automountServiceAccountToken: false,
      serviceAccountName: "workspace",
      ...(context.manager.schedulerName !== undefined && { schedulerName: context.manager.schedulerName }),
      enableServiceLinks: false,
      restartPolicy: "Never",
      securityContext: securityContextOf(start, context),
      affinity: affinityOf(start, context.manager),
      tolerations: tolerations(),
      containers: [container],
      volumes,
    },
  };
  const merged = mergePod(pod, context.template);
  return start.features.has("FIXED_RESOURCES") ? withCpuLimit(merged) : merged;
}

function securityContextOf({ features }: WorkspaceStart, { manager, seccompField }: RenderContext): JsonObject {
  return {
    ...(features.has("PERSISTENT_VOLUME_CLAIM") && { fsGroup: claimGroup }),
    ...(seccompField && manager.seccompProfile !== undefined && { seccompProfile: seccompProfileOf(manager.seccompProfile) }),
  };
}

/** The profile in the form that Kubernetes knows since 1.19. */
function seccompProfileOf(profile: string): JsonObject {
  if (profile === "unconfined") return { type: "Unconfined" };
  if (profile === "runtime/default" || profile === "docker/default") return { type: "RuntimeDefault" };
  return { type: "Localhost", localhostProfile: profile.replace(/^localhost\//, "") };
}

function affinityOf({ type }: WorkspaceStart, { namespace }: ManagerConfig): JsonObject {
  const keys = [`gitpod.io/workload_workspace_${isHeadlessType(type) ? "headless" : "regular"}`, `gitpod.io/ws-daemon_ready_ns_${namespace}`, `gitpod.io/registry-facade_ready_ns_${namespace}`];
  const matchExpressions = keys.map((key) => ({ key, operator: "Exists" }));
  return { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchExpressions }] } } };
}

/** A node under pressure does not cost anyone their work, nor does a network that is gone for a moment. */
function tolerations(): readonly JsonObject[] {
  const tolerate = (taint: string): JsonObject => ({ key: `node.kubernetes.io/${taint}`, operator: "Exists", effect: "NoExecute" });
  return [tolerate("disk-pressure"), tolerate("memory-pressure"), { ...tolerate("network-unavailable"), tolerationSeconds: 30 }];
}

/** Tells the node daemon not to change the CPU limit that the container has, a template's included; 0 is none. */
function withCpuLimit(pod: JsonObject): JsonObject {
  const container = objectsAt(objectAt(pod, "spec"), "containers").find((candidate) => textAt(candidate, "name") === workspaceContainer);
  const limit = objectAt(objectAt(container, "resources"), "limits")?.["cpu"];
  const text = typeof limit === "string" || typeof limit === "number" ? String(limit) : "0";
  const metadata = objectAt(pod, "metadata");
  return { ...pod, metadata: { ...metadata, annotations: { ...asObject(metadata?.["annotations"]), [annotations.cpuLimit]: text } } };
}
