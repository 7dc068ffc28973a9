/** The patches of the Kubernetes API: merge, strategic merge, JSON patch and server-side apply. Runs on the built-in cluster and on a real API server. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { record, records } from "../../src/embedded/kubelet/json.ts";
import { startTestCluster } from "../support/cluster.ts";
import type { TestCluster } from "../support/cluster.ts";
import { kubeApi, metaOf, patches, refusal, simplePod } from "../support/kube-api.ts";
import type { KubeApi } from "../support/kube-api.ts";

let cluster: TestCluster;
before(async () => {
  cluster = await startTestCluster();
});
after(async () => cluster.close());

const { merge, strategic, json, apply } = patches;

async function withConfig(api: KubeApi, data: object): Promise<string> {
  await api.create("configmaps", { metadata: { name: "a" }, data });
  return api.path("configmaps", "a");
}

test("a merge patch sets members, removes those that are null, and replaces lists", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  await api.create("pods", simplePod("a", {}, { labels: { keep: "1", go: "2" }, finalizers: ["example.com/one", "example.com/two"] }));
  const { body } = await api.patch(api.path("pods", "a"), { metadata: { labels: { go: null, come: "3" }, finalizers: ["example.com/three"] } }, merge);
  assert.deepEqual(metaOf(body)["labels"], { keep: "1", come: "3" });
  assert.deepEqual(metaOf(body)["finalizers"], ["example.com/three"]);
  const { body: bare } = await api.patch(api.path("pods", "a"), { metadata: { labels: null, finalizers: [] } }, merge);
  assert.ok(!("labels" in metaOf(bare)) && !("finalizers" in metaOf(bare)));
});

test("a strategic merge patch merges lists by their keys", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  const path = api.path("pods", "a");
  await api.create("pods", simplePod("a", { containers: [{ name: "one", image: "i:1" }, { name: "two", image: "i:2" }] }, { finalizers: ["example.com/one"] }));
  const { body } = await api.patch(path, { metadata: { finalizers: ["example.com/two"] }, spec: { containers: [{ name: "two", image: "i:3" }] } }, strategic);
  assert.deepEqual(records(record(body["spec"])["containers"]).map(({ name, image }) => [name, image]), [["one", "i:1"], ["two", "i:3"]]);
  assert.deepEqual(metaOf(body)["finalizers"], ["example.com/two", "example.com/one"]);
  const { body: without } = await api.patch(path, { metadata: { "$deleteFromPrimitiveList/finalizers": ["example.com/one"] } }, strategic);
  assert.deepEqual(metaOf(without)["finalizers"], ["example.com/two"]);
});

test("conditions of a status merge by their type", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  const path = `${api.path("pods", "a")}/status`;
  await api.create("pods", simplePod("a"));
  const conditions = async (patch: readonly object[]): Promise<unknown> => {
    const { body } = await api.patch(path, { status: { conditions: patch } }, strategic);
    return records(record(body["status"])["conditions"]).map(({ type, status }) => `${String(type)}=${String(status)}`);
  };
  assert.deepEqual(await conditions([{ type: "Ready", status: "False" }]), ["Ready=False"]);
  assert.deepEqual(await conditions([{ type: "Other", status: "True" }]), ["Other=True", "Ready=False"]);
  assert.deepEqual(await conditions([{ type: "Ready", status: "True" }]), ["Other=True", "Ready=True"]);
  assert.deepEqual(await conditions([{ type: "Other", $patch: "delete" }]), ["Ready=True"]);
});

test("directives replace and delete", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  const path = await withConfig(api, { a: "1", b: "2" });
  const { body } = await api.patch(path, { data: { $patch: "replace", c: "3" } }, strategic);
  assert.deepEqual(body["data"], { c: "3" });
  const { body: kept } = await api.patch(path, { data: { $retainKeys: ["d"], d: "4" } }, strategic);
  assert.deepEqual(kept["data"], { d: "4" });
  const { body: none } = await api.patch(path, { data: { $patch: "delete" } }, strategic);
  assert.deepEqual(none["data"] ?? {}, {});
});

test("a strategic merge patch without a merge key is refused", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  await api.create("pods", simplePod("a"));
  assert.equal(refusal(await api.patch(api.path("pods", "a"), { spec: { containers: [{ image: "i" }] } }, strategic)), "500 : map: map[image:i] does not contain declared merge key: name");
});

test("pointers of a JSON patch reach keys with slashes and tildes, and items of lists", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  const path = api.path("pods", "a");
  await api.create("pods", simplePod("a", {}, { annotations: { "example.com/a": "1", plain: "2" }, finalizers: ["example.com/one", "example.com/two"] }));
  const { body } = await api.patch(path, [
    { op: "test", path: "/metadata/annotations/example.com~1a", value: "1" }, { op: "remove", path: "/metadata/annotations/example.com~1a" },
    { op: "copy", from: "/metadata/annotations/plain", path: "/metadata/annotations/copied" }, { op: "move", from: "/metadata/annotations/plain", path: "/metadata/annotations/moved" },
    { op: "remove", path: "/metadata/finalizers/0" }, { op: "add", path: "/metadata/finalizers/-", value: "example.com/last" }, { op: "add", path: "/metadata/finalizers/0", value: "example.com/first" },
  ], json);
  assert.deepEqual(metaOf(body)["annotations"], { copied: "2", moved: "2" });
  assert.deepEqual(metaOf(body)["finalizers"], ["example.com/first", "example.com/two", "example.com/last"]);
});

test("a JSON patch that fails in the middle changes nothing", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  const path = await withConfig(api, { a: "1" });
  const refused = async (...operations: readonly object[]): Promise<string> => refusal(await api.patch(path, operations, json));
  const rejected = "422 Invalid: the server rejected our request due to an error in our request";
  assert.equal(await refused({ op: "add", path: "/data/b", value: "2" }, { op: "test", path: "/data/a", value: "2" }), rejected);
  assert.equal(await refused({ op: "remove", path: "/data/none" }), rejected);
  assert.equal(await refused({ op: "replace", path: "/none/none", value: "" }), rejected);
  assert.equal(await refused({ op: "add", path: "/none/none", value: "" }), rejected);
  assert.equal(await refused({ op: "explode", path: "/data" }), rejected);
  assert.deepEqual((await api.get(path))["data"], { a: "1" });
});

test("a patch with a resourceVersion is a patch with a precondition", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  const path = await withConfig(api, { a: "1" });
  const { resourceVersion } = metaOf(await api.get(path));
  const patch = (value: string): ReturnType<typeof api.patch> => api.patch(path, { metadata: { resourceVersion }, data: { a: value } });
  assert.equal((await patch("2")).code, 200);
  assert.match(refusal(await patch("3")), /^409 Conflict: Operation cannot be fulfilled on configmaps "a": the object has been modified/);
  assert.deepEqual((await api.get(path))["data"], { a: "2" });
});

test("patches that make no sense are refused", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  const path = await withConfig(api, { a: "1" });
  assert.match(refusal(await api.patch(path, "{broken", merge)), /^400 BadRequest: error decoding patch: /);
  assert.match(refusal(await api.patch(path, {}, json)), /^400 BadRequest: /);
  assert.match(refusal(await api.patch(path, [], merge)), /^400 BadRequest: /);
  assert.match(refusal(await api.patch(path, {}, "application/json")), /^415 UnsupportedMediaType: /);
  assert.equal(refusal(await api.patch(path, { metadata: { name: "b" } }, merge)), "400 BadRequest: the name of the object (b) does not match the name on the URL (a)");
  assert.equal(refusal(await api.patch(api.path("configmaps", "none"), {}, merge)), '404 NotFound: configmaps "none" not found');
  assert.equal((await api.patch(path, { metadata: { labels: { a: 1 } } }, merge)).code, 422);
});

test("server-side apply creates, changes, and takes away what is applied no more", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  const path = api.path("configmaps", "a");
  const applied = (data: object, manager = "one", force = ""): ReturnType<typeof api.patch> => api.patch(`${path}?fieldManager=${manager}${force}`, { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "a" }, data }, apply);
  const first = await applied({ a: "1", b: "2" });
  assert.equal(first.code, 201);
  assert.equal(metaOf(await api.get(path))["resourceVersion"], metaOf((await applied({ a: "1", b: "2" })).body)["resourceVersion"]);
  assert.deepEqual((await applied({ a: "3" })).body["data"], { a: "3" });
  assert.deepEqual((await applied({ c: "4" }, "two")).body["data"], { a: "3", c: "4" });
  assert.deepEqual((await applied({}, "one")).body["data"], { c: "4" });
  assert.equal(refusal(await api.patch(path, { apiVersion: "v1", kind: "ConfigMap" }, apply)), '422 Invalid: PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch');
});

test("what one manager applied another one changes by force only", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  const path = api.path("configmaps", "a");
  const applied = (manager: string, data: object, force = ""): ReturnType<typeof api.patch> => api.patch(`${path}?fieldManager=${manager}${force}`, { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "a" }, data }, apply);
  await applied("one", { a: "1", b: "2", c: "3" });
  assert.equal((await applied("two", { a: "1" })).code, 200);
  const refused = await applied("two", { a: "x", b: "y" });
  assert.equal(refusal(refused), '409 Conflict: Apply failed with 2 conflicts: conflicts with "one":\n- .data.a\n- .data.b');
  assert.equal(refusal(await applied("two", { a: "1", b: "y" })), '409 Conflict: Apply failed with 1 conflict: conflict with "one": .data.b');
  assert.deepEqual((await applied("two", { a: "x", b: "y" }, "&force=true")).body["data"], { a: "x", b: "y", c: "3" });
  assert.match(refusal(await applied("one", { a: "1", b: "2", c: "3" })), /conflicts with "two":\n- .data.a\n- .data.b$/);
});
