/** The volume controllers' part: claims get a volume at once, and go when no pod uses them any more. */
import type { ClusterStore, KubeObject } from "../contract.ts";
import { record, records, text, texts } from "./json.ts";

const protection = "kubernetes.io/pvc-protection";

/** What the controller works with. */
export interface ClaimDeps {
  readonly store: ClusterStore;
  readonly onError: (error: unknown) => void;
}

/** Takes care of all claims until the function that it gives is called. */
export function startClaims({ store, onError }: ClaimDeps): () => void {
  const guarded = (work: () => void): void => {
    try {
      work();
    } catch (error) {
      onError(error);
    }
  };
  const look = (claim: KubeObject): void => guarded(() => settle(store, claim));
  const stops = [
    store.subscribe("persistentvolumeclaims", (type, claim) => {
      if (type !== "DELETED") look(claim);
    }),
    store.subscribe("pods", (type, pod) => {
      if (type === "DELETED") for (const name of claimsOf(pod)) lookAgain(store, pod.metadata.namespace ?? "", name, look);
    }),
  ];
  for (const claim of store.list("persistentvolumeclaims")) look(claim);
  return () => stops.forEach((stop) => stop());
}

function lookAgain(store: ClusterStore, namespace: string, name: string, look: (claim: KubeObject) => void): void {
  const claim = store.get("persistentvolumeclaims", namespace, name);
  if (claim) look(claim);
}

function claimsOf(pod: KubeObject): readonly string[] {
  return records(record(pod["spec"])["volumes"]).map((volume) => text(record(volume["persistentVolumeClaim"])["claimName"])).filter((name) => name !== "");
}

function settle(store: ClusterStore, seen: KubeObject): void {
  const { namespace = "", name, uid } = seen.metadata;
  const claim = store.get("persistentvolumeclaims", namespace, name);
  if (claim?.metadata.uid !== uid) return;
  if (claim.metadata.deletionTimestamp !== undefined) release(store, claim);
  else if (text(record(claim["spec"])["volumeName"]) === "") bind(store, claim);
}

function bind(store: ClusterStore, { metadata: { namespace = "", name, uid } }: KubeObject): void {
  store.update("persistentvolumeclaims", namespace, name, (draft) => {
    const spec = record(draft["spec"]);
    const storage = record(record(spec["resources"])["requests"])["storage"];
    draft["spec"] = { ...spec, volumeName: `pvc-${uid}` };
    draft["status"] = { phase: "Bound", accessModes: texts(spec["accessModes"]), capacity: { storage } };
  });
}

function release(store: ClusterStore, { metadata: { namespace = "", name, finalizers = [] } }: KubeObject): void {
  if (!finalizers.includes(protection) || store.list("pods", namespace).some((pod) => claimsOf(pod).includes(name))) return;
  store.update("persistentvolumeclaims", namespace, name, (draft) => {
    draft["metadata"] = { ...record(draft["metadata"]), finalizers: finalizers.filter((finalizer) => finalizer !== protection) };
  });
}
