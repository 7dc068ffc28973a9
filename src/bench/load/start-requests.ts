/** Requests that start and stop workspaces, and the same as the API server is asked for it, as templates: one text for all IDs (see called.ts). */
import { annotations, labels, markerLabel, workspaceSelector } from "../../domain/names.ts";
import { asObject, objectAt } from "../../domain/json.ts";
import type { JsonObject } from "../../domain/json.ts";
import { contentservice, wsman } from "../../gen/proto.js";
import type { Options } from "../options.ts";
import { idPlaceholder } from "./called.ts";
import { hiddenMarker } from "./kube.ts";

/** About what a pod takes without filling, bytes. */
const bareBytes = 6500;
/** A variable that requests may set although it begins with GITPOD_. Real ones are long. */
const fillingVariable = "GITPOD_RESOLVED_EXTENSIONS";
/** What the API server adds, and does not take. */
const serverMembers = ["uid", "resourceVersion", "creationTimestamp", "generation", "managedFields", "selfLink"];

/** Images that nodes can pull; none is known unless it is told. */
export type Images = Pick<Options, "image" | "ideImage" | "supervisorImage">;

/** A StartWorkspaceRequest as dashboards send it: a Git clone, variables, filling. @param size of the pod that is made of it, about, bytes. @param images with one that is really pulled the content is empty: there is no such repository. */
export function startRequest(id: string, owner: string, size: number, { image, ideImage, supervisorImage }: Images): Uint8Array {
  return wsman.StartWorkspaceRequest.encode(wsman.StartWorkspaceRequest.fromObject({
    id, servicePrefix: id, type: wsman.WorkspaceType.REGULAR,
    metadata: { owner, metaId: id, project: "bench", team: "bench", annotations: { started: "by-wsmand-bench" } },
    spec: {
      workspaceImage: image ?? `registry.example.com/workspace-images:${"a".repeat(64)}`, workspaceLocation: "project",
      ideImage: { webRef: ideImage ?? `registry.example.com/ide/code:commit-${"b".repeat(40)}`, supervisorRef: supervisorImage ?? "registry.example.com/supervisor:main.1" },
      initializer: image !== undefined ? { empty: {} } : { git: { remoteUri: "https://git.example.com/bench/project.git", targetMode: contentservice.CloneTargetMode.REMOTE_COMMIT, cloneTaget: "c".repeat(40), checkoutLocation: "project", config: { authentication: contentservice.GitAuthMethod.NO_AUTH } } },
      envvars: [...Array.from({ length: 12 }, (_, i) => ({ name: `BENCH_VARIABLE_${i}`, value: `value ${i} of a usual length` })), { name: fillingVariable, value: "x".repeat(Math.max(0, size - bareBytes)) }],
      git: { username: "Jane Bench", email: "jane@example.com" }, timeout: "30m", admission: wsman.AdmissionLevel.ADMIT_OWNER_ONLY,
    },
  })).finish();
}

/** Template of a start. */
export function startTemplate(owner: string, size: number, images: Images): Uint8Array {
  return startRequest(idPlaceholder, owner, size, images);
}

/** A stop without waiting: whatever runs there is nobody's work. */
export function stopRequest(id: string): Uint8Array {
  return wsman.StopWorkspaceRequest.encode({ id, policy: wsman.StopWorkspacePolicy.IMMEDIATELY }).finish();
}

/** Template of a stop. */
export function stopTemplate(): Uint8Array {
  return stopRequest(idPlaceholder);
}

/**
 * Template of a pod that costs the API server what a workspace manager's pod costs it, made from one that it made: no workspace manager looks at it.
 * @param id of that one's workspace, as long as any. @throws Error if that is no workspace's pod.
 */
export function podTemplate(pod: JsonObject, id: string): Uint8Array {
  const { status: _status, ...rest } = pod;
  const metadata = objectAt(pod, "metadata") ?? {};
  const known = asObject(metadata["labels"]) ?? {};
  if (known[labels.workspaceId] !== id || `${markerLabel}=${String(known[markerLabel])}` !== workspaceSelector) throw new Error("the pod that was started has not the labels of a workspace");
  const kept = Object.fromEntries(Object.entries(metadata).filter(([name]) => !serverMembers.includes(name)));
  const hidden = { ...rest, metadata: { ...kept, labels: { ...known, [markerLabel]: hiddenMarker } } };
  return Buffer.from(JSON.stringify(hidden).replaceAll(id, idPlaceholder));
}

/** Patch of a pod that costs the API server what stopping costs it. */
export function stopPatch(): Uint8Array {
  return Buffer.from(JSON.stringify({ metadata: { annotations: { [annotations.stoppedByRequest]: "1s" } } }));
}
