/** The kinds of volume snapshots: their controller brings them to a cluster, so that a real API server has none of its own. */
import type { KubeApi } from "./kube-api.ts";
import { until } from "./until.ts";

const group = "snapshot.storage.k8s.io";
const kinds = { volumesnapshots: ["VolumeSnapshot", "Namespaced"], volumesnapshotcontents: ["VolumeSnapshotContent", "Cluster"], volumesnapshotclasses: ["VolumeSnapshotClass", "Cluster"] } as const;

type Plural = keyof typeof kinds;

/** Defines those of these that are not served; resolves once they are. */
export async function defineSnapshotKinds(api: KubeApi, ...plurals: readonly Plural[]): Promise<void> {
  for (const plural of plurals) {
    const isServed = async (): Promise<boolean> => (await api.send("GET", `/apis/${group}/v1/${plural}`)).code === 200;
    if (await isServed()) continue;
    await api.ok("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definitionOf(plural));
    await until(`${plural} are served`, isServed);
  }
}

function definitionOf(plural: Plural): object {
  const [kind, scope] = kinds[plural];
  const open = { type: "object", "x-kubernetes-preserve-unknown-fields": true } as const;
  const isClass = plural === "volumesnapshotclasses";
  const schema = isClass ? open : { type: "object", required: ["spec"], properties: { spec: open, status: open } };
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    // Groups of Kubernetes' own need a word that somebody has approved of it.
    metadata: { name: `${plural}.${group}`, annotations: { "api-approved.kubernetes.io": "https://github.com/kubernetes-csi/external-snapshotter/pull/814" } },
    spec: {
      group,
      scope,
      names: { plural, singular: kind.toLowerCase(), kind, listKind: `${kind}List`, ...(plural === "volumesnapshots" && { shortNames: ["vs"] }) },
      versions: [{ name: "v1", served: true, storage: true, ...(!isClass && { subresources: { status: {} } }), schema: { openAPIV3Schema: schema } }],
    },
  };
}
