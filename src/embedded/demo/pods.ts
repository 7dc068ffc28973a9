/** Workspace pods as an installation has them: for the demo, for tests and for benchmarks, of any size and in any state. */
import { annotations, finalizer, labels, markerLabel } from "../../domain/names.ts";
import { timestamp } from "../kubelet/json.ts";
import { hex, pick, seededRandom, seedOf } from "../kubelet/random.ts";
import type { Random } from "../kubelet/random.ts";
import { encodeExposedPorts, encodeImageSpec, encodeInitializer } from "./payloads.ts";
import { extensions, grow, managedFields } from "./ballast.ts";
import { stateOf } from "./states.ts";
import type { PodState } from "./states.ts";
import { adjectives, animals, owners, projects, teams } from "./words.ts";

export type { PodState } from "./states.ts";

/** Types of workspaces, as their label has them. */
export type PodType = "regular" | "prebuild" | "probe" | "imagebuild";

/** What a pod is to be like. Whatever is left out follows from the ID, so equal options give equal pods. */
export interface WorkspacePodOptions {
  readonly id: string;
  /** Bytes of the pod as JSON, exactly, if it is not longer without any filling. Default 20,000; 0 leaves out managed fields and filling. */
  readonly size?: number;
  /** The state that metadata and status tell of; default "unscheduled". A pod that is created through the API loses its status: write that afterwards. */
  readonly phase?: PodState;
  readonly namespace?: string;
  readonly type?: PodType;
  readonly metaId?: string;
  readonly owner?: string;
  readonly team?: string;
  readonly project?: string;
  readonly workspaceClass?: string;
  /** Default "Never", as workspaces have it; a real API server then lets no container that ended run again: take "Always" to play a recovery there. */
  readonly restartPolicy?: "Never" | "OnFailure" | "Always";
  /** Host of the workspace URLs, default "ws.demo.example.com". */
  readonly host?: string;
  readonly ports?: readonly number[];
  /** Node for the states beyond "unscheduled"; default "node-1". */
  readonly node?: string;
  /** Creation time, Unix milliseconds; default 2024-01-01. */
  readonly createdAt?: number;
  /** Added; undefined values remove. */
  readonly annotations?: Readonly<Record<string, string | undefined>>;
  readonly labels?: Readonly<Record<string, string | undefined>>;
}

/** A pod as an object to be created, its status included. */
export type WorkspacePod = { apiVersion: "v1"; kind: "Pod"; metadata: { name: string; namespace: string; labels: Record<string, string>; annotations: Record<string, string>; [member: string]: unknown }; spec: { [member: string]: unknown }; status?: object };

const prefixes: Readonly<Record<PodType, string>> = { regular: "ws", prebuild: "prebuild", probe: "probe", imagebuild: "imagebuild" };

/** Name of the pod of a workspace. */
export function podName(id: string, type: PodType = "regular"): string {
  return `${prefixes[type]}-${id}`;
}

/** A workspace ID: a UUID made of the random numbers given. */
export function workspaceId(random: Random): string {
  return `${hex(random, 8)}-${hex(random, 4)}-4${hex(random, 3)}-a${hex(random, 3)}-${hex(random, 12)}`;
}

/** A meta ID like "amber-falcon-x1y2z3". */
export function metaIdOf(random: Random): string {
  const tail = Array.from({ length: 6 }, () => "abcdefghijklmnopqrstuvwxyz0123456789".charAt(Math.floor(random() * 36))).join("");
  return `${pick(random, adjectives)}-${pick(random, animals)}-${tail}`;
}

interface Resolved extends Required<WorkspacePodOptions> {
  readonly random: Random;
  readonly headless: boolean;
}

/** Makes a workspace pod. */
export function makeWorkspacePod(options: WorkspacePodOptions): WorkspacePod {
  const given = resolve(options);
  const state = stateOf(given.phase, { ...given, name: podName(given.id, given.type), image: imageOf(given.id) });
  const pod: WorkspacePod = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name: podName(given.id, given.type),
      namespace: given.namespace,
      creationTimestamp: timestamp(given.createdAt),
      labels: withoutUndefined({ ...podLabels(given), ...given.labels }),
      annotations: withoutUndefined({ ...podAnnotations(given), ...state.annotations, ...given.annotations }),
      ...(state.finalizer ? { finalizers: [finalizer] } : {}),
      ...state.metadata,
    },
    spec: { ...podSpec(given), ...(given.phase === "unscheduled" ? {} : { nodeName: given.node }) },
    ...(state.status ? { status: state.status } : {}),
  };
  if (given.size > 0) {
    pod.metadata["managedFields"] = managedFields(pod, timestamp(given.createdAt));
    grow(pod, given.size, (length) => extensions(length, given.random));
  }
  return pod;
}

/** Makes many pods, one after the other, so that they need not be in memory together. IDs follow from the seed. */
export function* bulk(count: number, options: Omit<WorkspacePodOptions, "id" | "phase"> & { readonly phases?: readonly PodState[]; readonly seed?: number } = {}): Generator<WorkspacePod> {
  const { phases = ["running"], seed = 1, ...rest } = options;
  const random = seededRandom(seed);
  for (let i = 0; i < count; i++) yield makeWorkspacePod({ ...rest, id: workspaceId(random), phase: phases[i % phases.length] ?? "running" });
}

function resolve(options: WorkspacePodOptions): Resolved {
  const random = seededRandom(seedOf(options.id));
  const type = options.type ?? "regular";
  const drawn = { metaId: metaIdOf(random), owner: pick(random, owners), team: pick(random, teams), project: pick(random, projects) };
  const fixed = {
    size: 20_000, phase: "unscheduled" as const, namespace: "default", type, workspaceClass: "default", restartPolicy: "Never" as const, host: "ws.demo.example.com", ports: [3000, 8080], node: "node-1",
    createdAt: Date.UTC(2024, 0, 1), annotations: {}, labels: {},
  };
  return { ...drawn, ...fixed, ...options, random, headless: type !== "regular" };
}

function podLabels(given: Resolved): Record<string, string> {
  return {
    app: "gitpod",
    component: "workspace",
    [markerLabel]: "true",
    [labels.workspaceId]: given.id,
    [labels.owner]: given.owner,
    [labels.metaId]: given.metaId,
    [labels.project]: given.project,
    [labels.team]: given.team,
    [labels.type]: given.type,
    [labels.headless]: String(given.headless),
    [labels.workspaceClass]: given.workspaceClass,
    [labels.networkPolicy]: "default",
  };
}

function podAnnotations(given: Resolved): Record<string, string> {
  const { random, metaId, host } = given;
  return {
    [annotations.id]: given.id,
    [annotations.servicePrefix]: metaId,
    [annotations.url]: urlOf(metaId, host),
    [annotations.contentInitializer]: encodeInitializer(given.project, random),
    [annotations.admission]: "admit_owner_only",
    [annotations.imageSpec]: encodeImageSpec(random),
    [annotations.ownerToken]: tokenOf(random),
    [annotations.exposedPorts]: encodeExposedPorts(given.ports.map((port) => ({ port, url: portUrl(metaId, host, port) }))),
    "container.apparmor.security.beta.kubernetes.io/workspace": "unconfined",
    "seccomp.security.alpha.kubernetes.io/pod": "localhost/workspace_default",
    "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
  };
}

/** URL of a workspace. */
export function urlOf(metaId: string, host: string): string {
  return `https://${metaId}.${host}`;
}

/** URL of a workspace's port. */
export function portUrl(metaId: string, host: string, port: number): string {
  return `https://${port}-${metaId}.${host}`;
}

function imageOf(id: string): string {
  return `reg.demo.example.com:20000/remote/${id}`;
}

function tokenOf(random: Random): string {
  const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_.-";
  return Array.from({ length: 32 }, () => alphabet.charAt(Math.floor(random() * alphabet.length))).join("");
}

function podSpec(given: Resolved): { [member: string]: unknown } {
  return {
    hostname: given.metaId,
    automountServiceAccountToken: false,
    serviceAccountName: "workspace",
    enableServiceLinks: false,
    restartPolicy: given.restartPolicy,
    terminationGracePeriodSeconds: 30,
    dnsPolicy: "None",
    dnsConfig: { nameservers: ["1.1.1.1", "8.8.8.8"] },
    securityContext: {},
    affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchExpressions: affinityKeys(given).map((key) => ({ key, operator: "Exists" })) }] } } },
    tolerations: [
      { key: "node.kubernetes.io/disk-pressure", operator: "Exists", effect: "NoExecute" },
      { key: "node.kubernetes.io/memory-pressure", operator: "Exists", effect: "NoExecute" },
      { key: "node.kubernetes.io/network-unavailable", operator: "Exists", effect: "NoExecute", tolerationSeconds: 30 },
    ],
    containers: [workspaceContainerSpec(given)],
    volumes: [
      { name: "vol-this-workspace", hostPath: { path: `/mnt/workspaces/${given.id}`, type: "DirectoryOrCreate" } },
      { name: "daemon-mount", hostPath: { path: `/mnt/workspaces/${given.id}-daemon`, type: "DirectoryOrCreate" } },
    ],
  };
}

function affinityKeys(given: Resolved): readonly string[] {
  const workload = given.headless ? "headless" : "regular";
  return [`gitpod.io/workload_workspace_${workload}`, `gitpod.io/ws-daemon_ready_ns_${given.namespace}`, `gitpod.io/registry-facade_ready_ns_${given.namespace}`];
}

function workspaceContainerSpec(given: Resolved): object {
  return {
    name: "workspace",
    image: imageOf(given.id),
    imagePullPolicy: "IfNotPresent",
    command: ["/.supervisor/workspacekit", "ring0"],
    terminationMessagePolicy: "File",
    ports: [{ containerPort: 23000 }, { name: "supervisor", containerPort: 22999 }],
    env: environment(given),
    resources: { requests: { cpu: "500m", memory: "2Gi", "ephemeral-storage": "5Gi" }, limits: { cpu: "4", memory: "8Gi" } },
    readinessProbe: { httpGet: { path: "/_supervisor/v1/status/content/wait/true", port: 22999, scheme: "HTTP" }, failureThreshold: 600, periodSeconds: 1, successThreshold: 1, timeoutSeconds: 1, initialDelaySeconds: 2 },
    securityContext: {
      allowPrivilegeEscalation: true, privileged: false, readOnlyRootFilesystem: false, runAsUser: 33333, runAsGroup: 33333, runAsNonRoot: true,
      capabilities: { add: ["AUDIT_WRITE", "FSETID", "KILL", "NET_BIND_SERVICE", "SYS_PTRACE"], drop: ["SETPCAP", "CHOWN", "NET_RAW", "DAC_OVERRIDE", "FOWNER", "SYS_CHROOT", "SETFCAP", "SETUID", "SETGID"] },
    },
    volumeMounts: [
      { name: "vol-this-workspace", mountPath: "/workspace", mountPropagation: "HostToContainer" },
      { name: "daemon-mount", mountPath: "/.workspace", mountPropagation: "HostToContainer" },
    ],
  };
}

function environment(given: Resolved): readonly { name: string; value: string }[] {
  const root = `/workspace/${given.project}`;
  const values: Readonly<Record<string, string>> = {
    GITPOD_REPO_ROOT: root, GITPOD_REPO_ROOTS: root, GITPOD_CLI_APITOKEN: tokenOf(given.random), GITPOD_OWNER_ID: given.owner, GITPOD_WORKSPACE_ID: given.metaId, GITPOD_INSTANCE_ID: given.id,
    GITPOD_THEIA_PORT: "23000", THEIA_WORKSPACE_ROOT: root, GITPOD_HOST: "https://demo.example.com", GITPOD_WORKSPACE_URL: urlOf(given.metaId, given.host), GITPOD_WORKSPACE_CLUSTER_HOST: given.host,
    GITPOD_WORKSPACE_CLASS: given.workspaceClass, THEIA_SUPERVISOR_ENDPOINT: ":22999", THEIA_WEBVIEW_EXTERNAL_ENDPOINT: "webview-{{hostname}}", THEIA_MINI_BROWSER_HOST_PATTERN: "browser-{{hostname}}",
    GITPOD_GIT_USER_NAME: given.owner, GITPOD_GIT_USER_EMAIL: `${given.owner}@example.com`, GITPOD_TASKS: JSON.stringify([{ name: "build", init: "npm ci", command: "npm run dev" }]),
    GITPOD_INTERVAL: "30000", GITPOD_MEMORY: "2147", ...(given.headless ? { GITPOD_HEADLESS: "true" } : {}),
  };
  return Object.entries(values).map(([name, value]) => ({ name, value }));
}

function withoutUndefined(values: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const [key, value] of Object.entries(values)) if (value !== undefined) kept[key] = value;
  return kept;
}
