/** How the parts of the built-in cluster talk to each other: the object store as the kubelet, the scheduler and tests see it. */

/** A Kubernetes object as JSON. Objects handed out are shared and must not be changed by the reader. */
export interface KubeObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: ObjectMeta;
  readonly [member: string]: unknown;
}

/** The metadata that the cluster itself looks at. */
export interface ObjectMeta {
  readonly name: string;
  readonly namespace?: string;
  readonly uid: string;
  readonly resourceVersion: string;
  readonly generation?: number;
  readonly creationTimestamp: string;
  readonly deletionTimestamp?: string;
  readonly deletionGracePeriodSeconds?: number;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly finalizers?: readonly string[];
  readonly [member: string]: unknown;
}

/** Plural resource names that the cluster serves, as in its URLs. */
export type ResourceName =
  | "pods" | "nodes" | "events" | "secrets" | "configmaps" | "persistentvolumeclaims" | "namespaces" | "serviceaccounts" | "services" | "endpoints"
  | "leases" | "volumesnapshots" | "volumesnapshotcontents" | "volumesnapshotclasses";

/** What happened to an object. */
export type ChangeType = "ADDED" | "MODIFIED" | "DELETED";

/** A deep, writable copy of an object, for an update. */
export type Draft = { [member: string]: unknown };

/**
 * The cluster's objects, in this process: what the HTTP side serves and the kubelet and scheduler work on.
 * Throws ApiError (code, reason, message as in Kubernetes' Status) where the API would answer so. Namespace is "" for cluster-scoped resources.
 */
export interface ClusterStore {
  get(resource: ResourceName, namespace: string, name: string): KubeObject | undefined;
  /** All objects of a resource; of one namespace if given. */
  list(resource: ResourceName, namespace?: string): readonly KubeObject[];
  create(resource: ResourceName, object: object, namespace: string): KubeObject;
  /** Read-modify-write, without a conflict being possible: the object changes under no one's feet. No change, no new resourceVersion. */
  update(resource: ResourceName, namespace: string, name: string, change: (draft: Draft) => void): KubeObject;
  /** As DELETE does: grace period and finalizers are honoured (a bound pod first gets its deletionTimestamp; grace 0 and no finalizer removes it). */
  delete(resource: ResourceName, namespace: string, name: string, options?: { gracePeriodSeconds?: number; uid?: string }): void;
  /** Calls back, in order and synchronously after each change; the listener must not throw. Gives the way to stop. */
  subscribe(resource: ResourceName, listener: (type: ChangeType, object: KubeObject) => void): () => void;
}
