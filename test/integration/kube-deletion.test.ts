/** Deletion in the Kubernetes API: grace periods, finalizers, preconditions. Runs on the built-in cluster and on a real API server. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { startTestCluster } from "../support/cluster.ts";
import type { TestCluster } from "../support/cluster.ts";
import { kubeApi, metaOf, namesOf, patches, refusal, simplePod } from "../support/kube-api.ts";
import type { Answer, KubeApi } from "../support/kube-api.ts";
import type { Json } from "../../src/embedded/kubelet/json.ts";

let cluster: TestCluster;
before(async () => {
  cluster = await startTestCluster();
});
after(async () => cluster.close());

/** A pod on a node. */
async function boundPod(api: KubeApi, metadata: object = {}, spec: object = {}): Promise<Json> {
  return api.create("pods", simplePod("a", { nodeName: "n1", ...spec }, metadata));
}

async function pod(api: KubeApi): Promise<Answer> {
  return api.send("GET", api.path("pods", "a"));
}

async function remove(api: KubeApi, gracePeriodSeconds?: number): Promise<Answer> {
  return api.send("DELETE", api.path("pods", "a"), gracePeriodSeconds === undefined ? undefined : { gracePeriodSeconds });
}

/** Seconds from now to the deletion. */
function secondsLeft({ body }: Answer): number {
  return (Date.parse(String(metaOf(body)["deletionTimestamp"])) - Date.now()) / 1000;
}

test("what needs no time is gone at once, and its name is free", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  const first = await api.create("configmaps", { metadata: { name: "a" } });
  const { code, body } = await api.send("DELETE", api.path("configmaps", "a"));
  assert.equal(code, 200);
  assert.deepEqual(body, { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", details: { name: "a", kind: "configmaps", uid: metaOf(first)["uid"] } });
  assert.equal(refusal(await api.send("DELETE", api.path("configmaps", "a"))), '404 NotFound: configmaps "a" not found');
  const again = await api.create("configmaps", { metadata: { name: "a" } });
  assert.notEqual(metaOf(again)["uid"], metaOf(first)["uid"]);
});

test("a pod without a node, or that has ended, is gone at once", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  await api.create("pods", simplePod("a"));
  const answer = await remove(api);
  assert.equal(answer.body["kind"], "Pod");
  assert.equal(metaOf(answer.body)["deletionGracePeriodSeconds"], 0);
  assert.equal((await pod(api)).code, 404);
  for (const phase of ["Succeeded", "Failed"]) {
    await boundPod(api);
    await api.patch(`${api.path("pods", "a")}/status`, { status: { phase } });
    await remove(api, 100);
    assert.equal((await pod(api)).code, 404, phase);
  }
});

test("a pod on a node gets the time it asks for, and stays until it is deleted without any", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  await boundPod(api, {}, { terminationGracePeriodSeconds: 77 });
  const marked = await remove(api);
  assert.equal(metaOf(marked.body)["deletionGracePeriodSeconds"], 77);
  assert.ok(Math.abs(secondsLeft(marked) - 77) < 20);
  assert.deepEqual((await pod(api)).body, marked.body);
  await remove(api, 0);
  assert.equal((await pod(api)).code, 404);
});

test("once a pod is being deleted its time can only become shorter", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  await boundPod(api);
  const marked = await remove(api, 60);
  for (const longer of [60, 100, undefined]) assert.equal(metaOf((await remove(api, longer)).body)["resourceVersion"], metaOf(marked.body)["resourceVersion"]);
  const shorter = await remove(api, 20);
  assert.equal(metaOf(shorter.body)["deletionGracePeriodSeconds"], 20);
  assert.ok(Math.abs(secondsLeft(shorter) - 20) < 20);
});

test("a grace period can be asked for in the query, and a negative one is one second", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  await boundPod(api);
  const { body } = await api.send("DELETE", `${api.path("pods", "a")}?gracePeriodSeconds=45`);
  assert.equal(metaOf(body)["deletionGracePeriodSeconds"], 45);
  assert.equal(metaOf((await remove(api, -5)).body)["deletionGracePeriodSeconds"], 1);
});

test("an object with a finalizer stays until the last one is taken off", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  const path = api.path("configmaps", "a");
  await api.create("configmaps", { metadata: { name: "a", finalizers: ["example.com/one", "example.com/two"] } });
  const marked = await api.send("DELETE", path);
  assert.equal(marked.body["kind"], "ConfigMap");
  assert.equal(metaOf(marked.body)["deletionGracePeriodSeconds"], 0);
  assert.equal(metaOf((await api.send("DELETE", path)).body)["resourceVersion"], metaOf(marked.body)["resourceVersion"]);
  assert.match(refusal(await api.patch(path, { metadata: { finalizers: ["example.com/one", "example.com/new"] } })), /^422 Invalid: ConfigMap "a" is invalid: metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers/);
  await api.patch(path, { metadata: { finalizers: ["example.com/two"] } });
  assert.equal((await api.send("GET", path)).code, 200);
  const last = await api.patch(path, { metadata: { finalizers: null } });
  assert.equal(last.code, 200);
  assert.equal((await api.send("GET", path)).code, 404);
});

test("a pod with a finalizer that needs no more time waits for the finalizer alone", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  await boundPod(api, { finalizers: ["example.com/one"] });
  await remove(api, 30);
  const marked = await remove(api, 0);
  assert.equal(marked.code, 200);
  assert.equal(metaOf((await pod(api)).body)["deletionGracePeriodSeconds"], 0);
  await api.patch(api.path("pods", "a"), [{ op: "remove", path: "/metadata/finalizers" }], patches.json);
  assert.equal((await pod(api)).code, 404);
});

test("a pod whose finalizers are off waits for its node", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  await boundPod(api, { finalizers: ["example.com/one"] });
  await remove(api, 30);
  await api.patch(api.path("pods", "a"), { metadata: { finalizers: null } });
  assert.equal((await pod(api)).code, 200);
  await remove(api, 0);
  assert.equal((await pod(api)).code, 404);
});

test("watchers see a pod marked, changed and gone", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  await boundPod(api, { finalizers: ["example.com/one"] });
  const watch = await api.watch(api.path("pods"), { resourceVersion: String(metaOf((await pod(api)).body)["resourceVersion"]) });
  await remove(api, 30);
  await remove(api, 0);
  await api.patch(api.path("pods", "a"), { metadata: { finalizers: null } });
  await watch.tells("MODIFIED a", "MODIFIED a", "DELETED a");
  assert.deepEqual(watch.told, ["MODIFIED a", "MODIFIED a", "DELETED a"]);
});

test("a deletion can be bound to one object and one version of it", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  const path = api.path("configmaps", "a");
  const made = await api.create("configmaps", { metadata: { name: "a" } });
  const { uid, resourceVersion } = metaOf(made);
  const other = "11111111-2222-3333-4444-555555555555";
  assert.equal(refusal(await api.send("DELETE", path, { preconditions: { uid: other } })), `409 Conflict: Operation cannot be fulfilled on ConfigMap "a": the UID in the precondition (${other}) does not match the UID in record (${String(uid)}). The object might have been deleted and then recreated`);
  assert.match(refusal(await api.send("DELETE", path, { preconditions: { resourceVersion: "1" } })), /^409 Conflict: Operation cannot be fulfilled on ConfigMap "a": the ResourceVersion in the precondition \(1\) does not match the ResourceVersion in record/);
  assert.equal((await api.send("DELETE", path, { preconditions: { uid, resourceVersion } })).code, 200);
});

test("a collection is deleted as far as the selector goes", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  for (const name of ["a", "b", "c"]) await api.create("configmaps", { metadata: { name, labels: { ends: name === "b" ? "no" : "yes" } } });
  const { code, body } = await api.send("DELETE", `${api.path("configmaps")}?labelSelector=ends%3Dyes`);
  assert.equal(code, 200);
  assert.deepEqual(namesOf(body), ["a", "c"]);
  assert.deepEqual(namesOf(await api.get(api.path("configmaps"))), ["b"]);
  assert.equal((await api.send("DELETE", "/api/v1/configmaps")).code, 405);
});

test("options of a deletion that can not be are refused", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  await api.create("configmaps", { metadata: { name: "a" } });
  assert.equal(refusal(await api.send("DELETE", api.path("configmaps", "a"), { propagationPolicy: "Sideways" })), '422 Invalid: DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: Unsupported value: "Sideways": supported values: "Foreground", "Background", "Orphan", "nil"');
  assert.equal((await api.send("DELETE", api.path("configmaps", "a"), "{broken")).code, 500);
  assert.deepEqual(namesOf(await api.get(api.path("configmaps"))), ["a"]);
});

test("nothing can be created in a namespace that is being deleted", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  await api.create("configmaps", { metadata: { name: "a", finalizers: ["example.com/one"] } });
  const marked = await api.ok("DELETE", `/api/v1/namespaces/${api.namespace}`);
  assert.deepEqual(marked["status"], { phase: "Terminating" });
  const refused = await api.send("POST", api.path("configmaps"), { metadata: { name: "b" } });
  assert.equal(refusal(refused), `403 Forbidden: configmaps "b" is forbidden: unable to create new content in namespace ${api.namespace} because it is being terminated`);
  await api.patch(api.path("configmaps", "a"), { metadata: { finalizers: null } });
});
