/** The environment of a workspace container, in the order that installations know (spec: kubernetes, "env"). */
import { posix } from "node:path";
import type { contentservice } from "../../gen/proto.js";
import { parseQuantity } from "../../domain/quantity.ts";
import type { ManagerConfig, WorkspaceClass } from "../config/types.ts";
import { checkoutLocations } from "./initializer.ts";
import { isHeadlessType, type StartEnvVar, type WorkspaceStart } from "./start.ts";

/** An environment variable as Kubernetes has it. */
export type EnvVar =
  | { readonly name: string; readonly value: string }
  | { readonly name: string; readonly valueFrom: { readonly secretKeyRef: { readonly name: string; readonly key: string } } };

/** What else the environment depends on. */
export interface EnvContext {
  readonly manager: ManagerConfig;
  readonly workspaceClass: WorkspaceClass;
  readonly url: string;
  readonly cliApiToken: string;
}

/** Ports in a workspace that the installation's other parts know. */
export const idePort = 23000;
/** The supervisor's. */
export const supervisorPort = 22999;

/** The only ones that a request may set of those that begin with GITPOD_. */
const allowed: ReadonlySet<string> = new Set([
  "GITPOD_WORKSPACE_CONTEXT", "GITPOD_WORKSPACE_CONTEXT_URL", "GITPOD_TASKS", "GITPOD_RESOLVED_EXTENSIONS", "GITPOD_EXTERNAL_EXTENSIONS", "GITPOD_IDE_ALIAS",
]);

/** Makes the variables; those without a value are left out. */
export function renderEnv(start: WorkspaceStart, { manager, workspaceClass, url, cliApiToken }: EnvContext): readonly EnvVar[] {
  const roots = repoRoots(start.initializer);
  const before = {
    GITPOD_REPO_ROOT: roots[0] ?? "",
    GITPOD_REPO_ROOTS: roots.join(","),
    GITPOD_CLI_APITOKEN: cliApiToken,
    GITPOD_OWNER_ID: start.owner,
    GITPOD_WORKSPACE_ID: start.metaId,
    GITPOD_INSTANCE_ID: start.id,
    GITPOD_THEIA_PORT: String(idePort),
    THEIA_WORKSPACE_ROOT: workspacePath(start.workspaceLocation),
    GITPOD_HOST: manager.hostURL,
    GITPOD_WORKSPACE_URL: url,
    GITPOD_WORKSPACE_CLUSTER_HOST: manager.workspaceClusterHost ?? "",
    GITPOD_WORKSPACE_CLASS: start.workspaceClass,
    THEIA_SUPERVISOR_ENDPOINT: `:${supervisorPort}`,
    THEIA_WEBVIEW_EXTERNAL_ENDPOINT: "webview-{{hostname}}",
    THEIA_MINI_BROWSER_HOST_PATTERN: "browser-{{hostname}}",
    GITPOD_GIT_USER_NAME: start.git.name,
    GITPOD_GIT_USER_EMAIL: start.git.email,
  };
  const after = {
    GITPOD_INTERVAL: String(Math.trunc(manager.heartbeatInterval)),
    GITPOD_MEMORY: String(megabytes(workspaceClass.container.requests.memory)),
    GITPOD_HEADLESS: isHeadlessType(start.type) ? "true" : "",
  };
  return [...withValue(before), ...requestedEnv(start.env), ...withValue(after)];
}

function withValue(values: Readonly<Record<string, string>>): readonly EnvVar[] {
  return Object.entries(values).filter(([, value]) => value !== "").map(([name, value]) => ({ name, value }));
}

/** The request's own variables, as far as they are taken. */
export function requestedEnv(env: readonly StartEnvVar[]): readonly EnvVar[] {
  return env.filter(({ name }) => !name.startsWith("GITPOD_") || allowed.has(name)).flatMap(({ name, value, secret }): readonly EnvVar[] => {
    if (value !== "") return [{ name, value }];
    return secret === undefined ? [] : [{ name, valueFrom: { secretKeyRef: secret } }];
  });
}

/** Where repositories are checked out: one place at least. */
export function repoRoots(initializer: contentservice.WorkspaceInitializer.$Properties): readonly string[] {
  const locations = checkoutLocations(initializer);
  return (locations.length === 0 ? [""] : locations).map(workspacePath);
}

const workspaceRoot = "/workspace";

/** A location in the workspace as a path: always in /workspace, whatever `..` the location has. */
export function workspacePath(location: string): string {
  const inside = posix.normalize(`/${location}`);
  const isDoubled = location.startsWith("/") && (inside === workspaceRoot || inside.startsWith(`${workspaceRoot}/`));
  const path = posix.join(workspaceRoot, isDoubled ? inside.slice(workspaceRoot.length) : inside);
  return path.endsWith("/") ? path.slice(0, -1) : path;
}

/** Millions of bytes, rounded down. */
function megabytes(quantity: string | undefined): number {
  const bytes = quantity === undefined ? 0 : (parseQuantity(quantity) ?? 0);
  // Doubles may lie a little below the whole number that was meant: 4.35G.
  return Math.floor(Math.round(bytes) / 1e6);
}
