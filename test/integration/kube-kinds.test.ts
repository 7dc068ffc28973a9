/** The kinds other than pods that the daemon uses. Runs on the built-in cluster and on a real API server. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { record, records } from "../../src/embedded/kubelet/json.ts";
import type { Json } from "../../src/embedded/kubelet/json.ts";
import { onRealCluster, startTestCluster } from "../support/cluster.ts";
import type { TestCluster } from "../support/cluster.ts";
import { kubeApi, metaOf, namesOf, patches, refusal } from "../support/kube-api.ts";
import type { KubeApi } from "../support/kube-api.ts";
import { defineSnapshotKinds } from "../support/snapshot-kinds.ts";

let cluster: TestCluster;
before(async () => {
  cluster = await startTestCluster();
});
after(async () => cluster.close());

test("secrets: texts are encoded, types stay, and what is immutable stays as it is", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  const path = api.path("secrets", "a");
  const made = await api.create("secrets", { metadata: { name: "a" }, stringData: { key: "value" } });
  assert.equal(made["type"], "Opaque");
  assert.deepEqual(made["data"], { key: "dmFsdWU=" });
  assert.ok(!("stringData" in made));
  const { body } = await api.patch(path, { stringData: { more: "x" }, immutable: true });
  assert.deepEqual(body["data"], { key: "dmFsdWU=", more: "eA==" });
  assert.equal(refusal(await api.patch(path, { type: "example.com/other" })), '422 Invalid: Secret "a" is invalid: type: Invalid value: "example.com/other": field is immutable');
  assert.equal(refusal(await api.patch(path, { data: { key: null } })), '422 Invalid: Secret "a" is invalid: data: Forbidden: field is immutable when `immutable` is set');
  assert.equal((await api.patch(path, { metadata: { labels: { a: "b" } } })).code, 200);
  assert.match(refusal(await api.send("POST", api.path("secrets"), { metadata: { name: "b" }, data: { a: "!!" } })), /^400 BadRequest: Secret in version "v1" cannot be handled as a Secret: illegal base64 data at input byte 0/);
  assert.equal((await api.create("secrets", { metadata: { name: "plain" }, type: "" }))["type"], "Opaque");
  await api.create("secrets", { metadata: { name: "c" }, type: "example.com/special" });
  assert.deepEqual(namesOf(await api.get(`${api.path("secrets")}?fieldSelector=type%3Dexample.com/special`)), ["c"]);
});

test("config maps: keys, types and sizes are checked", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  const refused = async (more: object): Promise<string> => refusal(await api.send("POST", api.path("configmaps"), { metadata: { name: "a" }, ...more }));
  assert.match(await refused({ data: { "a b": "" } }), /^422 Invalid: ConfigMap "a" is invalid: data\[a b\]: Invalid value: "a b": a valid config key must consist of/);
  assert.equal(await refused({ data: { a: 5 } }), '400 BadRequest: ConfigMap in version "v1" cannot be handled as a ConfigMap: json: cannot unmarshal number into Go struct field ConfigMap.data of type string');
  assert.equal(await refused({ data: { a: "x".repeat(1024 * 1024 + 1) } }), '422 Invalid: ConfigMap "a" is invalid: []: Too long: may not be more than 1048576 bytes');
  assert.match(await refused({ data: { a: "x".repeat(3 * 1024 * 1024) } }), /^413 RequestEntityTooLarge: Request entity too large: limit is 3145728/);
});

test("events: found by reason and object, and only where their object is", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  const event = (name: string, more: object = {}): object => ({ metadata: { name }, involvedObject: { kind: "Pod", name: "a", namespace: api.namespace, uid: "u" }, reason: "FailedMount", message: "m", type: "Warning", source: { component: "kubelet" }, ...more });
  const made = await api.create("events", event("one"));
  assert.deepEqual([made["firstTimestamp"], made["lastTimestamp"], made["eventTime"], made["reportingComponent"], made["reportingInstance"]], [null, null, null, "", ""]);
  await api.create("events", event("two", { reason: "Pulled", type: "Normal" }));
  const by = async (fieldSelector: string): Promise<readonly string[]> => namesOf(await api.get(`${api.path("events")}?${new URLSearchParams({ fieldSelector }).toString()}`));
  assert.deepEqual(await by("reason=FailedMount"), ["one"]);
  assert.deepEqual(await by("involvedObject.kind=Pod,involvedObject.name=a,type=Normal,source=kubelet"), ["two"]);
  assert.deepEqual(await by("involvedObject.uid=other"), []);
  assert.equal(refusal(await api.send("POST", api.path("events"), event("three", { involvedObject: { kind: "Pod", name: "a", namespace: "other" } }))), '422 Invalid: Event "three" is invalid: involvedObject.namespace: Invalid value: "other": does not match event.namespace');
});

test("leases: taken and renewed by the newest version alone", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  const path = api.path("leases", "a");
  const lease = (holderIdentity: string, metadata: object = {}): object => ({ apiVersion: "coordination.k8s.io/v1", kind: "Lease", metadata: { name: "a", ...metadata }, spec: { holderIdentity, leaseDurationSeconds: 15, renewTime: "2024-01-01T00:00:00.000000Z" } });
  assert.equal((await api.send("PUT", path, lease("first"))).code, 201);
  const first = await api.get(path);
  assert.equal(record(first["spec"])["renewTime"], "2024-01-01T00:00:00.000000Z");
  assert.equal(refusal(await api.send("PUT", path, lease("blind"))), '422 Invalid: leases.coordination.k8s.io "a" is invalid: metadata.resourceVersion: Invalid value: 0: must be specified for an update');
  const { resourceVersion } = metaOf(first);
  assert.equal((await api.send("PUT", path, lease("second", { resourceVersion }))).code, 200);
  assert.equal(refusal(await api.send("PUT", path, lease("late", { resourceVersion }))), '409 Conflict: Operation cannot be fulfilled on leases.coordination.k8s.io "a": the object has been modified; please apply your changes to the latest version and try again');
  assert.equal(refusal(await api.patch(path, { spec: { leaseDurationSeconds: 0 } })), '422 Invalid: Lease.coordination.k8s.io "a" is invalid: spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0');
  assert.equal(record((await api.get(path))["spec"])["holderIdentity"], "second");
});

test("volume claims: protected, and fixed but for their size", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  const path = api.path("persistentvolumeclaims", "a");
  const spec = { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } };
  const made = await api.create("persistentvolumeclaims", { metadata: { name: "a" }, spec });
  assert.deepEqual(made["spec"], { ...spec, volumeMode: "Filesystem" });
  assert.deepEqual(made["status"], { phase: "Pending" });
  assert.deepEqual(metaOf(made)["finalizers"], ["kubernetes.io/pvc-protection"]);
  assert.match(refusal(await api.patch(path, { spec: { accessModes: ["ReadOnlyMany"] } })), /^422 Invalid: PersistentVolumeClaim "a" is invalid: spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims/);
  const bound = await api.patch(`${path}/status`, { status: { phase: "Bound", capacity: { storage: "1Gi" } } });
  assert.equal(record(bound.body["status"])["phase"], "Bound");
  assert.equal(refusal(await api.send("POST", api.path("persistentvolumeclaims"), { metadata: { name: "b" }, spec: {} })), '422 Invalid: PersistentVolumeClaim "b" is invalid: [spec.accessModes: Required value: at least 1 access mode is required, spec.resources[storage]: Required value]');
  await api.send("DELETE", path);
  assert.ok("deletionTimestamp" in metaOf(await api.get(path)));
  await api.patch(path, { metadata: { finalizers: null } });
  assert.equal((await api.send("GET", path)).code, 404);
});

test("nodes: not ready until their kubelet says so", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  const name = `node-${api.namespace}`;
  const path = `/api/v1/nodes/${name}`;
  const made = await api.ok("POST", "/api/v1/nodes", { metadata: { name } });
  assert.ok(!("namespace" in metaOf(made)));
  assert.deepEqual(record(made["spec"])["taints"], [{ key: "node.kubernetes.io/not-ready", effect: "NoSchedule" }]);
  const { body } = await api.patch(`${path}/status`, { status: { capacity: { cpu: "2" }, conditions: [{ type: "Ready", status: "True" }], nodeInfo: { kubeletVersion: "v1.0" } } }, patches.strategic);
  const status = record(body["status"]);
  assert.deepEqual(status["allocatable"], { cpu: "2" });
  assert.equal(record(status["nodeInfo"])["kubeletVersion"], "v1.0");
  assert.equal(record(status["nodeInfo"])["osImage"], "");
  await api.patch(path, { spec: { unschedulable: true, taints: null } });
  assert.deepEqual(namesOf(await api.get(`/api/v1/nodes?fieldSelector=spec.unschedulable%3Dtrue,metadata.name%3D${name}`)), [name]);
  assert.equal((await api.send("DELETE", path)).code, 200);
});

/** Defines the kind of snapshots where it is not built in; gives a way to create one. */
async function snapshots(api: KubeApi): Promise<(name: string, more?: object) => Promise<Json>> {
  if (onRealCluster) await defineSnapshotKinds(api, "volumesnapshots");
  return (name, more = {}) => api.create("volumesnapshots", { apiVersion: "snapshot.storage.k8s.io/v1", kind: "VolumeSnapshot", metadata: { name }, spec: { source: { persistentVolumeClaimName: "claim" } }, ...more });
}

test("volume snapshots: custom objects with a status of their own and no strategic patches", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  const create = await snapshots(api);
  const path = api.path("volumesnapshots", "a");
  const made = await create("a", { status: { readyToUse: true } });
  assert.equal(metaOf(made)["generation"], 1);
  assert.ok(!("status" in made));
  const ready = await api.patch(`${path}/status`, { metadata: { labels: { not: "here" } }, status: { readyToUse: true } });
  assert.deepEqual(ready.body["status"], { readyToUse: true });
  assert.equal(metaOf(ready.body)["generation"], 1);
  assert.ok(!("labels" in metaOf(ready.body)));
  const changed = await api.patch(path, { spec: { volumeSnapshotClassName: "fast" }, status: { readyToUse: false } });
  assert.deepEqual(changed.body["status"], { readyToUse: true });
  assert.equal(metaOf(changed.body)["generation"], 2);
  assert.match(refusal(await api.patch(path, {}, patches.strategic)), /^415 UnsupportedMediaType: the body of the request was in an unknown format - accepted media types include: /);
  assert.match(refusal(await api.send("PUT", path, { apiVersion: "snapshot.storage.k8s.io/v1", kind: "VolumeSnapshot", metadata: { name: "a" }, spec: {} })), /^422 Invalid: .*metadata.resourceVersion: Invalid value: 0(x0)?: must be specified for an update$/);
  assert.equal(refusal(await api.send("POST", api.path("volumesnapshots"), { apiVersion: "snapshot.storage.k8s.io/v1", kind: "VolumeSnapshot", metadata: { name: "b" } })), '422 Invalid: VolumeSnapshot.snapshot.storage.k8s.io "b" is invalid: spec: Required value');
  const list = await api.get(api.path("volumesnapshots"));
  assert.deepEqual(records(list["items"]).map((item) => [item["kind"], metaOf(item)["name"]]), [["VolumeSnapshot", "a"]]);
  assert.equal((await api.send("DELETE", path)).code, 200);
});
