/** The container `workspace` of a pod, and the volumes that it mounts (spec: kubernetes, "The workspace pod"). */
import { posix } from "node:path";
import { WsmanError } from "../../domain/errors.ts";
import type { JsonObject } from "../../domain/json.ts";
import { workspaceContainer } from "../../domain/names.ts";
import { parseQuantity } from "../../domain/quantity.ts";
import type { ManagerConfig, ResourceQuantities, WorkspaceClass } from "../config/types.ts";
import { idePort, renderEnv, supervisorPort, type EnvContext } from "./env.ts";
import type { WorkspaceStart } from "./start.ts";

/** A volume and where it is mounted. */
interface Mount {
  readonly volume: JsonObject;
  readonly mount: JsonObject;
  readonly env?: JsonObject;
}

/** User and group of workspaces. */
const gitpodUser = 33333;
const caPath = "/etc/ssl/certs/gitpod-ca.crt";
const registryCaPath = "/usr/local/share/ca-certificates/gitpod-ca.crt";

/** Makes the container and the volumes. @throws WsmanError FAILED_PRECONDITION if the configuration names no registry. */
export function renderContainer(start: WorkspaceStart, podName: string, context: EnvContext): { readonly container: JsonObject; readonly volumes: readonly JsonObject[] } {
  const mounts = mountsOf(start, podName, context.manager);
  const container = {
    name: workspaceContainer,
    image: imageOf(start, context.manager),
    imagePullPolicy: "IfNotPresent",
    command: ["/.supervisor/workspacekit", "ring0"],
    ports: [{ containerPort: idePort }, { name: "supervisor", containerPort: supervisorPort }],
    env: [...renderEnv(start, context), ...mounts.flatMap(({ env }) => env ?? [])],
    resources: resourcesOf(context.workspaceClass),
    volumeMounts: mounts.map(({ mount }) => mount),
    readinessProbe: {
      httpGet: { path: "/_supervisor/v1/status/content/wait/true", port: supervisorPort, scheme: "HTTP" },
      failureThreshold: 600,
      periodSeconds: 1,
      successThreshold: 1,
      timeoutSeconds: 1,
      initialDelaySeconds: 2,
    },
    terminationMessagePolicy: "File",
    securityContext: {
      allowPrivilegeEscalation: true,
      privileged: false,
      readOnlyRootFilesystem: false,
      runAsUser: gitpodUser,
      runAsGroup: gitpodUser,
      runAsNonRoot: true,
      capabilities: {
        add: ["AUDIT_WRITE", "FSETID", "KILL", "NET_BIND_SERVICE", "SYS_PTRACE"],
        drop: ["SETPCAP", "CHOWN", "NET_RAW", "DAC_OVERRIDE", "FOWNER", "SYS_CHROOT", "SETFCAP", "SETUID", "SETGID"],
      },
    },
  };
  return { container, volumes: mounts.map(({ volume }) => volume) };
}

function imageOf({ id }: WorkspaceStart, { registryFacadeHost }: ManagerConfig): string {
  if (registryFacadeHost === undefined) throw new WsmanError("FAILED_PRECONDITION", "no workspace can start: manager.registryFacadeHost is not configured");
  return `${registryFacadeHost}/remote/${id}`;
}

function resourcesOf({ container: { requests, limits } }: WorkspaceClass): JsonObject {
  const given = { limits: amountsOf(limits), requests: amountsOf(requests) };
  return Object.fromEntries(Object.entries(given).filter(([, amounts]) => Object.keys(amounts).length > 0));
}

/** What is above zero. Storage is no resource of a container. */
function amountsOf(quantities: ResourceQuantities): JsonObject {
  const amounts = (["cpu", "memory", "ephemeral-storage"] as const).map((name): [string, string | undefined] => [name, quantities[name]]);
  return Object.fromEntries(amounts.filter(([, text]) => text !== undefined && parseQuantity(text) !== 0));
}

function mountsOf(start: WorkspaceStart, podName: string, { workspaceHostPath, caCertSecret }: ManagerConfig): readonly Mount[] {
  const directory = posix.join(workspaceHostPath, start.id);
  return [
    ...contentMount(start, podName, directory),
    { volume: hostDirectory("daemon-mount", `${directory}-daemon`), mount: { name: "daemon-mount", mountPath: "/.workspace", mountPropagation: "HostToContainer" } },
    ...(caCertSecret === undefined ? [] : [{ ...certificate("custom-ca-certs", caCertSecret, caPath), env: { name: "NODE_EXTRA_CA_CERTS", value: caPath } }]),
    ...(start.type === "IMAGEBUILD" ? [certificate("gitpod-ca-certificate", "builtin-registry-facade-cert", registryCaPath)] : []),
  ];
}

/** /workspace: on the node, on a claim that is named like the pod, or, with full backups, in the image alone. */
function contentMount({ features }: WorkspaceStart, podName: string, directory: string): readonly Mount[] {
  const name = "vol-this-workspace";
  const mount = { name, mountPath: "/workspace" };
  if (features.has("FULL_WORKSPACE_BACKUP")) return [];
  if (!features.has("PERSISTENT_VOLUME_CLAIM")) return [{ volume: hostDirectory(name, directory), mount: { ...mount, mountPropagation: "HostToContainer" } }];
  // In a folder of the claim, so that its lost+found is not seen.
  return [{ volume: { name, persistentVolumeClaim: { claimName: podName } }, mount: { ...mount, subPath: "workspace" } }];
}

function hostDirectory(name: string, path: string): JsonObject {
  return { name, hostPath: { path, type: "DirectoryOrCreate" } };
}

function certificate(name: string, secretName: string, mountPath: string): Mount {
  const file = "ca.crt";
  return {
    volume: { name, secret: { secretName, items: [{ key: file, path: file }] } },
    mount: { name, mountPath, subPath: file, readOnly: true },
  };
}
