/** What the Kubernetes API tells of itself, its errors, and the tables for kubectl. Runs on the built-in cluster and on a real API server. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { record, records, texts } from "../../src/embedded/kubelet/json.ts";
import type { Json } from "../../src/embedded/kubelet/json.ts";
import { startTestCluster } from "../support/cluster.ts";
import type { TestCluster } from "../support/cluster.ts";
import { asTable, kubeApi, metaOf, patches, refusal, simplePod } from "../support/kube-api.ts";
import type { KubeApi } from "../support/kube-api.ts";

let cluster: TestCluster;
before(async () => {
  cluster = await startTestCluster();
});
after(async () => cluster.close());

test("errors are Status objects", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  const { code, headers, body } = await api.send("GET", api.path("leases", "none"));
  assert.equal(code, 404);
  assert.equal(headers.get("content-type"), "application/json");
  assert.deepEqual(body, {
    kind: "Status", apiVersion: "v1", metadata: {}, status: "Failure", message: 'leases.coordination.k8s.io "none" not found', reason: "NotFound", details: { name: "none", group: "coordination.k8s.io", kind: "leases" }, code: 404,
  });
  const invalid = await api.send("POST", api.path("pods"), simplePod("Bad", { restartPolicy: "Sometimes" }));
  const { causes, ...details } = record(invalid.body["details"]);
  assert.deepEqual(details, { name: "Bad", kind: "Pod" });
  assert.deepEqual(records(causes).map(({ reason, field }) => [reason, field]), [["FieldValueInvalid", "metadata.name"], ["FieldValueNotSupported", "spec.restartPolicy"]]);
});

test("what is not there, and what can not be done, is told apart", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  await api.create("pods", simplePod("a"));
  const asked = async (method: string, path: string, body?: object): Promise<string> => refusal(await api.send(method, path, body));
  const missing = "404 NotFound: the server could not find the requested resource";
  const forbidden = "405 MethodNotAllowed: the server does not allow this method on the requested resource";
  for (const path of ["/api/v1/nothings", "/api/v2", "/apis/coordination.k8s.io/v9", `/api/v1/namespaces/${api.namespace}/nodes`, api.path("pods", "a/nothing")]) assert.equal(await asked("GET", path), missing, path);
  assert.equal(await asked("PUT", api.path("pods"), {}), forbidden);
  assert.equal(await asked("POST", api.path("pods", "a"), {}), forbidden);
  assert.equal(await asked("GET", api.path("pods", "a/binding")), forbidden);
  assert.equal(await asked("POST", "/api/v1/pods", simplePod("b")), forbidden);
  const nowhere = await api.send("GET", "/nowhere");
  assert.deepEqual([nowhere.code, nowhere.text], [404, "404 page not found\n"]);
});

test("bodies that can not be read are refused", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  const sent = async (body: string, contentType?: string): Promise<string> => refusal(await api.send("POST", api.path("pods"), body, contentType === undefined ? {} : { contentType }));
  assert.match(await sent("{broken"), /^400 BadRequest: the object provided is unrecognized \(must be of type Pod\): couldn't get version\/kind; json parse error: /);
  assert.match(await sent("[]"), /^400 BadRequest: the object provided is unrecognized \(must be of type Pod\): /);
  assert.match(await sent("x", "text/plain"), /^415 UnsupportedMediaType: the body of the request was in an unknown format - accepted media types include: application\/json, application\/yaml, application\/vnd.kubernetes.protobuf/);
  assert.equal((await api.send("GET", api.path("pods"), undefined, { accept: "text/html" })).code, 406);
});

test("health, version, groups and resources are told", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  for (const path of ["/healthz", "/livez", "/readyz"]) assert.deepEqual(await api.send("GET", path).then(({ code, text }) => [code, text]), [200, "ok"]);
  assert.equal((await api.get("/version"))["major"], "1");
  assert.deepEqual((await api.get("/api"))["versions"], ["v1"]);
  const group = records((await api.get("/apis"))["groups"]).find(({ name }) => name === "coordination.k8s.io");
  assert.deepEqual(group?.["preferredVersion"], { groupVersion: "coordination.k8s.io/v1", version: "v1" });
  const resources = records((await api.get("/api/v1"))["resources"]);
  const named = (name: string): Json => record(resources.find((resource) => resource["name"] === name));
  assert.deepEqual([named("pods")["kind"], named("pods")["namespaced"], named("pods")["shortNames"], named("pods")["singularName"]], ["Pod", true, ["po"], "pod"]);
  assert.deepEqual(texts(named("pods")["verbs"]).toSorted(), ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]);
  assert.equal(named("nodes")["namespaced"], false);
  assert.equal(named("pods/binding")["kind"], "Binding");
  assert.deepEqual([named("pods/eviction")["kind"], named("pods/eviction")["group"]], ["Eviction", "policy"]);
});

test("all groups are told at once to those who ask so", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  const { body, headers } = await api.send("GET", "/apis", undefined, { accept: "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json" });
  assert.equal(body["kind"], "APIGroupDiscoveryList");
  assert.match(headers.get("content-type") ?? "", /as=APIGroupDiscoveryList/);
  const leases = records(body["items"]).find((group) => metaOf(group)["name"] === "coordination.k8s.io");
  const resource = record(records(records(leases?.["versions"])[0]?.["resources"])[0]);
  assert.deepEqual([resource["resource"], resource["scope"], record(resource["responseKind"])["kind"]], ["leases", "Namespaced", "Lease"]);
});

test("whoever asks what he may do is told", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  const spec = { resourceAttributes: { verb: "delete", resource: "pods", namespace: api.namespace } };
  const { code, body } = await api.send("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", { apiVersion: "authorization.k8s.io/v1", kind: "SelfSubjectAccessReview", spec });
  assert.equal(code, 201);
  assert.deepEqual(body["spec"], spec);
  assert.equal(record(body["status"])["allowed"], true);
  assert.equal((await api.send("GET", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews")).code, 405);
});

/** Columns by name, and the cells of one row. */
async function table(api: KubeApi, path: string): Promise<{ readonly columns: readonly unknown[]; readonly cells: unknown; readonly row: Json }> {
  const { body } = await api.send("GET", path, undefined, { accept: asTable });
  assert.equal(body["kind"], "Table");
  const [row = {}] = records(body["rows"]);
  return { columns: records(body["columnDefinitions"]).map(({ name, priority }) => (priority === 0 ? name : `(${String(name)})`)), cells: row["cells"], row };
}

test("a table shows pods as kubectl does", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  await api.create("pods", simplePod("a", { nodeName: "n1" }));
  const cells = async (): Promise<unknown> => (await table(api, api.path("pods"))).cells;
  const pending = await table(api, api.path("pods"));
  assert.deepEqual(pending.columns, ["Name", "Ready", "Status", "Restarts", "Age", "(IP)", "(Node)", "(Nominated Node)", "(Readiness Gates)"]);
  const age = Array.isArray(pending.cells) ? String(pending.cells[4]) : "";
  assert.match(age, /^\d+s$/);
  const expected = (ready: string, status: string, restarts: string): RegExp => new RegExp(`^a,${ready},${status},${restarts},\\d+s,`);
  assert.match(String(await cells()), expected("0/1", "Pending", "0"));
  assert.deepEqual(record(pending.row["object"])["kind"], "PartialObjectMetadata");
  const is = (status: object): Promise<unknown> => api.patch(`${api.path("pods", "a")}/status`, { status }, patches.strategic);
  await is({ phase: "Running", podIP: "10.0.0.7", containerStatuses: [{ name: "main", ready: true, restartCount: 2, image: "", imageID: "", state: { running: {} }, lastState: { terminated: { exitCode: 1, finishedAt: new Date().toISOString().replace(/\.\d+/, "") } } }] });
  assert.match(String(await cells()), /^a,1\/1,Running,2 \(\d+s ago\),\d+s,10.0.0.7,n1,<none>,<none>$/);
  await is({ containerStatuses: [{ name: "main", ready: false, restartCount: 2, image: "", imageID: "", state: { waiting: { reason: "CrashLoopBackOff" } } }] });
  assert.match(String(await cells()), /^a,0\/1,CrashLoopBackOff,/);
  await is({ phase: "Failed", reason: "Evicted", containerStatuses: null });
  assert.match(String(await cells()), /^a,0\/1,Evicted,/);
  await is({ phase: "Running", reason: null });
  await api.send("DELETE", api.path("pods", "a"));
  assert.match(String(await cells()), /^a,0\/1,Terminating,/);
});

test("tables of the other kinds", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  await api.create("configmaps", { metadata: { name: "a" }, data: { a: "", b: "" } });
  await api.create("secrets", { metadata: { name: "a" }, stringData: { a: "" } });
  await api.create("persistentvolumeclaims", { metadata: { name: "a" }, spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } } });
  await api.ok("PUT", api.path("leases", "a"), { metadata: { name: "a" }, spec: { holderIdentity: "me" } });
  await api.create("events", { metadata: { name: "a" }, involvedObject: { kind: "Pod", name: "p", namespace: api.namespace }, reason: "Why", message: "because ", type: "Normal", source: { component: "kubelet", host: "h" }, lastTimestamp: new Date().toISOString() });
  const shown = async (path: string): Promise<string> => {
    const { columns, cells } = await table(api, path);
    return `${columns.join(" ")} | ${String(cells).replaceAll(/\b\d+s\b/g, "?s")}`;
  };
  assert.equal(await shown(api.path("configmaps", "a")), "Name Data Age | a,2,?s");
  assert.equal(await shown(api.path("secrets", "a")), "Name Type Data Age | a,Opaque,1,?s");
  assert.equal(await shown(api.path("persistentvolumeclaims", "a")), "Name Status Volume Capacity Access Modes StorageClass VolumeAttributesClass Age (VolumeMode) | a,Pending,,,,,<unset>,?s,Filesystem");
  assert.equal(await shown(api.path("leases", "a")), "Name Holder Age | a,me,?s");
  assert.equal(await shown(api.path("events", "a")), "Last Seen Type Reason Object (Subobject) (Source) Message (First Seen) (Count) (Name) | ?s,Normal,Why,pod/p,,kubelet, h,because,<unknown>,1,a");
  assert.equal(await shown(`/api/v1/namespaces/${api.namespace}`), `Name Status Age | ${api.namespace},Active,?s`);
});

test("a row carries as much of its object as was asked for", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  await api.create("configmaps", { metadata: { name: "a" }, data: { a: "1" } });
  const row = async (includeObject: string): Promise<Json> => (await table(api, `${api.path("configmaps")}?includeObject=${includeObject}`)).row;
  assert.deepEqual(record((await row("Object"))["object"])["data"], { a: "1" });
  assert.equal(record((await row("Metadata"))["object"])["kind"], "PartialObjectMetadata");
  assert.ok(!("object" in (await row("None"))) || (await row("None"))["object"] === null);
});
