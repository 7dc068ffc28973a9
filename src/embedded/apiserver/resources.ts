/** The resources that the cluster serves: one row each, and everything else follows from it. */
import type { ResourceName } from "../contract.ts";
import type { Named } from "./errors.ts";

/** A resource. */
export interface ResourceType extends Named {
  readonly plural: ResourceName;
  readonly version: string;
  readonly singular: string;
  readonly listKind: string;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly namespaced: boolean;
  /** `status` is kept apart: writes on the object leave it alone, writes on /status leave the rest alone. */
  readonly status: boolean;
  /** Further subresources. */
  readonly subresources: readonly string[];
  /** metadata.generation counts changes of spec. */
  readonly generation: boolean;
  /** Deletion waits for a grace period (pods). */
  readonly graceful: boolean;
  /** Defined by a CustomResourceDefinition in a real cluster: no strategic merge patch. */
  readonly custom: boolean;
  /** An update needs no resourceVersion. */
  readonly blindUpdates: boolean;
  /** An update of what does not exist creates it. */
  readonly createOnUpdate: boolean;
  /** Members that an object must have, where the shape of the rest is left open. */
  readonly required: readonly string[];
  /** Values of metadata.name. */
  readonly names: "subdomain" | "label" | "dns1035";
  /** Field selectors beyond metadata.name and metadata.namespace. */
  readonly fields: readonly string[];
}

type Row = Partial<ResourceType> & Pick<ResourceType, "plural" | "singular" | "kind">;

const eventFields = [
  "involvedObject.kind", "involvedObject.namespace", "involvedObject.name", "involvedObject.uid", "involvedObject.apiVersion", "involvedObject.resourceVersion", "involvedObject.fieldPath",
  "reason", "reportingComponent", "source", "type",
];
const podFields = ["spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName", "spec.hostNetwork", "status.phase", "status.podIP", "status.nominatedNodeName"];
const snapshots = { group: "snapshot.storage.k8s.io", custom: true, generation: true, blindUpdates: false, required: ["spec"] } as const;

const rows: readonly Row[] = [
  { plural: "configmaps", singular: "configmap", kind: "ConfigMap", shortNames: ["cm"] },
  { plural: "endpoints", singular: "endpoints", kind: "Endpoints", shortNames: ["ep"], createOnUpdate: true },
  { plural: "events", singular: "event", kind: "Event", shortNames: ["ev"], createOnUpdate: true, fields: eventFields },
  { plural: "namespaces", singular: "namespace", kind: "Namespace", shortNames: ["ns"], namespaced: false, status: true, names: "label", fields: ["status.phase"] },
  { plural: "nodes", singular: "node", kind: "Node", shortNames: ["no"], namespaced: false, status: true, fields: ["spec.unschedulable"] },
  { plural: "persistentvolumeclaims", singular: "persistentvolumeclaim", kind: "PersistentVolumeClaim", shortNames: ["pvc"], status: true },
  { plural: "pods", singular: "pod", kind: "Pod", shortNames: ["po"], categories: ["all"], status: true, subresources: ["binding", "eviction"], generation: true, graceful: true, fields: podFields },
  { plural: "secrets", singular: "secret", kind: "Secret", fields: ["type"] },
  { plural: "serviceaccounts", singular: "serviceaccount", kind: "ServiceAccount", shortNames: ["sa"] },
  { plural: "services", singular: "service", kind: "Service", shortNames: ["svc"], categories: ["all"], status: true, names: "dns1035", fields: ["spec.clusterIP", "spec.type"] },
  { plural: "leases", singular: "lease", kind: "Lease", group: "coordination.k8s.io", blindUpdates: false, createOnUpdate: true },
  { plural: "volumesnapshots", singular: "volumesnapshot", kind: "VolumeSnapshot", shortNames: ["vs"], status: true, ...snapshots },
  { plural: "volumesnapshotcontents", singular: "volumesnapshotcontent", kind: "VolumeSnapshotContent", shortNames: ["vsc", "vscs"], namespaced: false, status: true, ...snapshots },
  { plural: "volumesnapshotclasses", singular: "volumesnapshotclass", kind: "VolumeSnapshotClass", shortNames: ["vsclass", "vsclasses"], namespaced: false, ...snapshots, required: ["driver", "deletionPolicy"] },
];

const defaults = {
  group: "", version: "v1", shortNames: [], categories: [], namespaced: true, status: false, subresources: [], generation: false, graceful: false, custom: false, blindUpdates: true, createOnUpdate: false, required: [], names: "subdomain", fields: [],
} as const;

/** All resources, by their name in URLs. */
export const resourceTypes: ReadonlyMap<string, ResourceType> = new Map(rows.map((row) => [row.plural, Object.freeze({ ...defaults, listKind: `${row.kind}List`, ...row })]));

/** The resource. */
export function typeOf(resource: ResourceName): ResourceType {
  const type = resourceTypes.get(resource);
  if (!type) throw new RangeError(`no such resource: ${resource}`);
  return type;
}

/** `v1`, `coordination.k8s.io/v1`. */
export function apiVersionOf(type: ResourceType): string {
  return type.group === "" ? type.version : `${type.group}/${type.version}`;
}
