/** Lists of the Kubernetes API: selectors, pages and resourceVersions. Runs on the built-in cluster and on a real API server. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { startTestCluster } from "../support/cluster.ts";
import type { TestCluster } from "../support/cluster.ts";
import { asMetadata, kubeApi, metaOf, namesOf, refusal, simplePod } from "../support/kube-api.ts";
import type { KubeApi } from "../support/kube-api.ts";
import { record, records } from "../../src/embedded/kubelet/json.ts";
import type { Json } from "../../src/embedded/kubelet/json.ts";

let cluster: TestCluster;
before(async () => {
  cluster = await startTestCluster();
});
after(async () => cluster.close());

/** ConfigMaps with these labels, by name. */
async function withConfigs(api: KubeApi, labels: Readonly<Record<string, object>>): Promise<(query?: Readonly<Record<string, string>>) => Promise<Json>> {
  for (const [name, own] of Object.entries(labels)) await api.create("configmaps", { metadata: { name, labels: own } });
  return (query = {}) => api.get(`${api.path("configmaps")}?${new URLSearchParams(query).toString()}`);
}

const five = { a: {}, b: {}, c: {}, d: {}, e: {} } as const;

test("a list has its kind, its resourceVersion, and its objects in the order of their names", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  const list = await withConfigs(api, { b: {}, a: {}, c: {} });
  const all = await list();
  assert.equal(all["kind"], "ConfigMapList");
  assert.equal(all["apiVersion"], "v1");
  assert.deepEqual(namesOf(all), ["a", "b", "c"]);
  assert.deepEqual(Object.keys(record(records(all["items"])[0])), ["metadata"]);
  assert.ok(Number(metaOf(all)["resourceVersion"]) >= Math.max(...records(all["items"]).map((item) => Number(metaOf(item)["resourceVersion"]))));
});

test("a list over all namespaces has the objects of each", async (t) => {
  const [one, two] = [await kubeApi(t, cluster.kubeconfig), await kubeApi(t, cluster.kubeconfig)];
  await withConfigs(one, { "here-a": {} });
  await withConfigs(two, { "here-b": {} });
  const names = namesOf(await one.get("/api/v1/configmaps"));
  assert.ok(names.includes("here-a") && names.includes("here-b"));
  assert.deepEqual(namesOf(await one.get(`/api/v1/configmaps?fieldSelector=metadata.namespace%3D${two.namespace}`)), ["here-b"]);
  assert.deepEqual(namesOf(await one.get("/api/v1/namespaces/nowhere/configmaps")), []);
});

test("label selectors select", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  const list = await withConfigs(api, { a: { x: "1", y: "a" }, b: { x: "2" }, c: { x: "3" }, d: {}, e: { z: "" } });
  const by = async (labelSelector: string): Promise<string> => namesOf(await list({ labelSelector })).join("");
  const expected: Readonly<Record<string, string>> = {
    "": "abcde", "x": "abc", "!x": "de", "x=1": "a", "x==1,y=a": "a", "x=1,y=b": "", "x!=1": "bcde", "x in (1,2)": "ab", "x in (1, 9)": "a", "x notin (1,2)": "cde", "x>1": "bc", "x<2": "a", "z=": "e", "z": "e", "!z,x": "abc",
  };
  for (const [selector, names] of Object.entries(expected)) assert.equal(await by(selector), names, selector);
});

test("selectors that can not be read are refused", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  const list = await withConfigs(api, {});
  const refused = async (name: string, selector: string): Promise<string> => refusal(await api.send("GET", `${api.path("configmaps")}?${new URLSearchParams({ [name]: selector }).toString()}`));
  for (const selector of ["x in", "x in (1", "x=1=2", "x>b", "a b", "-x", "x=-", "a/b/c=1", "(x)", ","]) {
    assert.match(await refused("labelSelector", selector), /^400 BadRequest: (unable to parse requirement|found)/, selector);
  }
  assert.equal(await refused("labelSelector", "x in"), "400 BadRequest: unable to parse requirement: found '' expected: '('");
  assert.equal(await refused("fieldSelector", "data.a=1"), '400 BadRequest: "data.a" is not a known field selector: only "metadata.name", "metadata.namespace"');
  assert.equal(await refused("fieldSelector", "metadata.name"), "400 BadRequest: invalid selector: 'metadata.name'; can't understand 'metadata.name'");
  assert.deepEqual(namesOf(await list()), []);
});

test("pods are selected by their fields", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  await api.create("pods", simplePod("free"));
  await api.create("pods", simplePod("bound", { nodeName: "n1", restartPolicy: "Never" }));
  await api.patch(`${api.path("pods", "bound")}/status`, { status: { phase: "Running", podIP: "10.0.0.7" } });
  const by = async (fieldSelector: string): Promise<readonly string[]> => namesOf(await api.get(`${api.path("pods")}?${new URLSearchParams({ fieldSelector }).toString()}`));
  assert.deepEqual(await by("spec.nodeName=n1"), ["bound"]);
  assert.deepEqual(await by("spec.nodeName="), ["free"]);
  assert.deepEqual(await by("status.phase!=Running"), ["free"]);
  assert.deepEqual(await by("status.phase=Running,spec.restartPolicy=Never,status.podIP=10.0.0.7"), ["bound"]);
  assert.deepEqual(await by("metadata.name=free,spec.nodeName=n1"), []);
  assert.equal(refusal(await api.send("GET", `${api.path("pods")}?fieldSelector=spec.hostname%3Dx`)), "400 BadRequest: field label not supported: spec.hostname");
});

test("pages together are the list as it was when the first one was asked for", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  const list = await withConfigs(api, five);
  const first = await list({ limit: "2" });
  assert.deepEqual(namesOf(first), ["a", "b"]);
  assert.equal(metaOf(first)["remainingItemCount"], 3);
  await api.send("DELETE", api.path("configmaps", "d"));
  await api.create("configmaps", { metadata: { name: "bb" } });
  await api.patch(api.path("configmaps", "c"), { data: { changed: "yes" } });
  const second = await list({ limit: "2", continue: String(metaOf(first)["continue"]) });
  assert.deepEqual(namesOf(second), ["c", "d"]);
  assert.equal(records(second["items"])[0]?.["data"], undefined);
  assert.equal(metaOf(second)["resourceVersion"], metaOf(first)["resourceVersion"]);
  const last = await list({ limit: "2", continue: String(metaOf(second)["continue"]) });
  assert.deepEqual(namesOf(last), ["e"]);
  assert.ok(!("continue" in metaOf(last)) && !("remainingItemCount" in metaOf(last)));
  assert.deepEqual(namesOf(await list()), ["a", "b", "bb", "c", "e"]);
});

test("pages of a selection do not count what remains", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  const list = await withConfigs(api, { a: { x: "" }, b: {}, c: { x: "" }, d: { x: "" } });
  const first = await list({ limit: "2", labelSelector: "x" });
  assert.deepEqual(namesOf(first), ["a", "c"]);
  assert.ok(!("remainingItemCount" in metaOf(first)));
  assert.deepEqual(namesOf(await list({ limit: "2", labelSelector: "x", continue: String(metaOf(first)["continue"]) })), ["d"]);
});

test("a page can not be asked for by a token that is none", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  assert.match(refusal(await api.send("GET", `${api.path("configmaps")}?continue=x`)), /^400 BadRequest: invalid continue token: continue key is not valid: /);
});

test("a list can be as it was at a version, no older than it, or whatever the cache has", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  const list = await withConfigs(api, { a: {}, b: {} });
  const then = String(metaOf(await list())["resourceVersion"]);
  await api.create("configmaps", { metadata: { name: "c" } });
  await api.send("DELETE", api.path("configmaps", "a"));
  assert.deepEqual(namesOf(await list({ resourceVersion: then, resourceVersionMatch: "Exact" })), ["a", "b"]);
  assert.deepEqual(namesOf(await list({ resourceVersion: then, resourceVersionMatch: "Exact", limit: "1" })), ["a"]);
  assert.deepEqual(namesOf(await list({ resourceVersion: then, limit: "1" })), ["a"]);
  const newest = String(metaOf(await list())["resourceVersion"]);
  assert.deepEqual(namesOf(await list({ resourceVersion: newest, resourceVersionMatch: "NotOlderThan" })), ["b", "c"]);
  assert.deepEqual(namesOf(await list({ resourceVersion: newest })), ["b", "c"]);
  assert.deepEqual(namesOf(await list({ resourceVersion: "0", limit: "1" })).slice(0, 1), ["b"]);
});

test("resourceVersions that can not be are refused", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  const refused = async (query: string): Promise<string> => refusal(await api.send("GET", `${api.path("configmaps")}?${query}`));
  const future = await api.send("GET", `${api.path("configmaps")}?resourceVersion=99999999&resourceVersionMatch=Exact`);
  assert.match(refusal(future), /^504 Timeout: Timeout: Too large resource version: 99999999, current: \d+$/);
  assert.deepEqual(future.body["details"], { causes: [{ reason: "ResourceVersionTooLarge", message: "Too large resource version" }], retryAfterSeconds: 1 });
  assert.match(await refused("resourceVersion=x"), /^400 BadRequest: invalid resource version: resourceVersion: Invalid value: "x"/);
  const about = '422 Invalid: ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: ';
  assert.equal(await refused("resourceVersionMatch=Exact"), `${about}Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided`);
  assert.equal(await refused("resourceVersionMatch=Exact&resourceVersion=0"), `${about}Forbidden: resourceVersionMatch "exact" is forbidden for resourceVersion "0"`);
  assert.equal(await refused("resourceVersionMatch=Exact&resourceVersion=1&continue=x"), `${about}Forbidden: resourceVersionMatch is forbidden when continue is provided`);
  assert.equal(await refused("resourceVersionMatch=Fuzzy&resourceVersion=1"), `${about}Unsupported value: "Fuzzy": supported values: "Exact", "NotOlderThan", ""`);
});

test("a list can be of metadata alone", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  await api.create("configmaps", { metadata: { name: "a" }, data: { big: "x" } });
  const { body } = await api.send("GET", api.path("configmaps"), undefined, { accept: asMetadata.replace("Metadata;", "MetadataList;") });
  assert.equal(body["kind"], "PartialObjectMetadataList");
  assert.deepEqual(namesOf(body), ["a"]);
  assert.ok(records(body["items"]).every((item) => !("data" in item)));
});
