/** What tests of rendering need: a configuration, a request, and ways to look into what was rendered. */
import { asObject, objectAt, objectsAt, type JsonObject } from "../../../src/domain/json.ts";
import { wsman } from "../../../src/gen/proto.js";
import { parseConfig, type Config } from "../../../src/main/config/index.ts";
import { selectClass } from "../../../src/main/render/classes.ts";
import { renderPod, type RenderContext } from "../../../src/main/render/pod.ts";
import { readStart } from "../../../src/main/render/start.ts";

const timeouts = { startup: "1h", initialization: "30m", regularWorkspace: "30m", maxLifetime: "36h", headlessWorkspace: "1h", afterClose: "2m", contentFinalization: "1h", stopping: "1h" };

/** A configuration; members of the section `manager` may be given. */
export async function config(manager: object = {}): Promise<Config> {
  const document = {
    manager: {
      namespace: "workspaces",
      timeouts,
      urlTemplate: "https://{{ .ID }}-{{ .Prefix }}.ws.{{ .Host }}",
      workspaceHostPath: "/var/workspaces",
      hostURL: "gitpod.example",
      heartbeatInterval: "30s",
      reconnectionInterval: "30s",
      registryFacadeHost: "reg.example:3000",
      workspaceClass: {
        default: { container: { requests: { cpu: "1", memory: "2G", "ephemeral-storage": "0" }, limits: { cpu: "4", memory: "8Gi", storage: "30Gi" } } },
        large: { container: {}, pvc: { size: "30Gi", storageClass: "fast" } },
      },
      ...manager,
    },
    rpcServer: { addr: ":8080" },
  };
  return (await parseConfig(document, "test", { cores: 2, kubeStage: "" })).config;
}

/** A request that is in order; members may be given, and members of its spec. */
export function request(members: object = {}, spec: object = {}): wsman.StartWorkspaceRequest {
  return wsman.StartWorkspaceRequest.fromObject({
    id: "instance-1",
    servicePrefix: "prefix",
    metadata: { owner: "jane", metaId: "meta-1" },
    type: "REGULAR",
    spec: { workspaceImage: "image", workspaceLocation: "repo", initializer: { empty: {} }, ...spec },
    ...members,
  });
}

/** What a request is rendered with. */
export function contextFor(loaded: Config, from: wsman.StartWorkspaceRequest, members: Partial<RenderContext> = {}): RenderContext {
  const workspaceClass = selectClass(loaded.manager, from.spec?.class ?? "");
  return { manager: loaded.manager, workspaceClass, template: undefined, seccompField: false, ownerToken: "owner-token", cliApiToken: "cli-token", ...members };
}

/** The pod of a request. */
export async function podOf(from: wsman.StartWorkspaceRequest, manager: object = {}, members: Partial<RenderContext> = {}): Promise<JsonObject> {
  return renderPod(readStart(from), contextFor(await config(manager), from, members));
}

/** The container `workspace`. */
export function containerOf(pod: JsonObject): JsonObject {
  const [container] = objectsAt(objectAt(pod, "spec"), "containers");
  return container ?? {};
}

/** A pod's annotations, or its labels. */
export function metaOf(pod: JsonObject, which: "annotations" | "labels"): JsonObject {
  return objectAt(objectAt(pod, "metadata"), which) ?? {};
}

/** The container's variables as [name, value or reference]. */
export function envOf(pod: JsonObject): readonly (readonly [unknown, unknown])[] {
  return objectsAt(containerOf(pod), "env").map((variable) => [variable["name"], variable["value"] ?? variable["valueFrom"]]);
}

/** One variable's value. */
export function envValue(pod: JsonObject, name: string): unknown {
  return envOf(pod).find(([key]) => key === name)?.[1];
}

/** A value along a path of members and indices; undefined where there is none. */
export function at(value: unknown, path: string): unknown {
  return path.split("/").reduce((found: unknown, key) => (Array.isArray(found) ? found[Number(key)] : asObject(found)?.[key]), value);
}

