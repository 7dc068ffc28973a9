/** Defines the kinds of volume snapshots where they are not built in: on a real API server without the snapshot controller. */
import type { KubeApi } from "./kube-api.ts";
import { until } from "./until.ts";

const group = "snapshot.storage.k8s.io";
const kinds = { volumesnapshots: ["VolumeSnapshot", "Namespaced"], volumesnapshotcontents: ["VolumeSnapshotContent", "Cluster"] } as const;

/** Defines these; resolves once they are served. */
export async function defineSnapshotKinds(api: KubeApi, ...plurals: readonly (keyof typeof kinds)[]): Promise<void> {
  const open = { type: "object", "x-kubernetes-preserve-unknown-fields": true } as const;
  for (const plural of plurals) {
    const [kind, scope] = kinds[plural];
    await api.ok("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", {
      apiVersion: "apiextensions.k8s.io/v1", kind: "CustomResourceDefinition",
      metadata: { name: `${plural}.${group}`, annotations: { "api-approved.kubernetes.io": "https://github.com/kubernetes-csi/external-snapshotter/pull/814" } },
      spec: {
        group, scope, names: { plural, singular: kind.toLowerCase(), kind, listKind: `${kind}List`, ...(plural === "volumesnapshots" && { shortNames: ["vs"] }) },
        versions: [{ name: "v1", served: true, storage: true, subresources: { status: {} }, schema: { openAPIV3Schema: { type: "object", required: ["spec"], properties: { spec: open, status: open } } } }],
      },
    });
    await until(`${plural} are served`, async () => (await api.send("GET", scope === "Cluster" ? `/apis/${group}/v1/${plural}` : api.path(plural))).code === 200);
  }
}
