/** Objects of an API server as the parts of the built-in cluster take them, and where they are found. */
import type { KubeObject, ResourceName } from "../../../src/embedded/contract.ts";
import { isRecord, text } from "../../../src/embedded/kubelet/json.ts";
import type { Player } from "../player.ts";

const kinds: Readonly<Partial<Record<ResourceName, { readonly apiVersion: string; readonly kind: string }>>> = {
  pods: { apiVersion: "v1", kind: "Pod" }, nodes: { apiVersion: "v1", kind: "Node" }, persistentvolumeclaims: { apiVersion: "v1", kind: "PersistentVolumeClaim" }, leases: { apiVersion: "coordination.k8s.io/v1", kind: "Lease" },
};

/** Path of a resource, or of one object. Nodes belong to the cluster, all else to the player's namespace. */
export function pathOf(player: Player, resource: ResourceName, name?: string): string {
  return resource === "nodes" ? `/api/v1/nodes${name === undefined ? "" : `/${name}`}` : player.path(resource, name);
}

/** What the server sent as an object. Items of a list do not tell their kind. @throws TypeError if it is none. */
export function objectOf(resource: ResourceName, value: unknown): KubeObject {
  const object = { ...kinds[resource], ...(isRecord(value) ? value : {}) };
  if (!isKubeObject(object)) throw new TypeError(`the API server sent what is none of ${resource}: ${JSON.stringify(value).slice(0, 200)}`);
  return object;
}

function isKubeObject(value: Readonly<Record<string, unknown>>): value is KubeObject {
  const { apiVersion, kind, metadata } = value;
  return text(apiVersion) !== "" && text(kind) !== "" && isRecord(metadata) && ["name", "uid", "resourceVersion", "creationTimestamp"].every((member) => text(metadata[member]) !== "");
}
