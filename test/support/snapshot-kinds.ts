/** The kinds of volume snapshots: their controller brings them to a cluster, so that a real API server has none of its own. */
import { until } from "./until.ts";
import type { KubeApi } from "./kube-api.ts";

const group = "snapshot.storage.k8s.io";
/** Kinds, and whether their objects belong to a namespace. */
const kinds: readonly (readonly [kind: string, plural: string, namespaced: boolean])[] = [
  ["VolumeSnapshot", "volumesnapshots", true], ["VolumeSnapshotContent", "volumesnapshotcontents", false], ["VolumeSnapshotClass", "volumesnapshotclasses", false],
];

/** Adds those that are not there, with any members, and waits until they are served. */
export async function addSnapshotKinds(api: KubeApi): Promise<void> {
  for (const [kind, plural, namespaced] of kinds) {
    const isServed = async (): Promise<boolean> => (await api.send("GET", `/apis/${group}/v1/${plural}`)).code === 200;
    if (await isServed()) continue;
    await api.ok("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definitionOf(kind, plural, namespaced));
    await until(`${plural} are served`, isServed, 30_000);
  }
}

function definitionOf(kind: string, plural: string, namespaced: boolean): object {
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    // Groups of Kubernetes' own need a word that somebody has approved of it.
    metadata: { name: `${plural}.${group}`, annotations: { "api-approved.kubernetes.io": "unapproved, for tests" } },
    spec: {
      group,
      scope: namespaced ? "Namespaced" : "Cluster",
      names: { kind, plural, singular: kind.toLowerCase() },
      versions: [{ name: "v1", served: true, storage: true, ...(kind === "VolumeSnapshotClass" ? {} : { subresources: { status: {} } }), schema: { openAPIV3Schema: { type: "object", "x-kubernetes-preserve-unknown-fields": true } } }],
    },
  };
}
