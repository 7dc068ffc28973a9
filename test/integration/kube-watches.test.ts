/** Watches of the Kubernetes API. Runs on the built-in cluster and on a real API server. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { record, records, texts } from "../../src/embedded/kubelet/json.ts";
import { startTestCluster } from "../support/cluster.ts";
import type { TestCluster } from "../support/cluster.ts";
import { asMetadata, asTable, kubeApi, metaOf, refusal, simplePod } from "../support/kube-api.ts";
import type { KubeApi } from "../support/kube-api.ts";
import { until } from "../support/until.ts";

let cluster: TestCluster;
before(async () => {
  cluster = await startTestCluster();
});
after(async () => cluster.close());

const add = (api: KubeApi, name: string, labels: object = {}): Promise<unknown> => api.create("configmaps", { metadata: { name, labels } });
const change = (api: KubeApi, name: string, body: object): Promise<unknown> => api.patch(api.path("configmaps", name), body);
const remove = (api: KubeApi, name: string): Promise<unknown> => api.ok("DELETE", api.path("configmaps", name));
const now = async (api: KubeApi): Promise<string> => String(metaOf(await api.get(api.path("configmaps")))["resourceVersion"]);

test("a watch from a list's version tells every change after it, once and in order", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  await add(api, "before");
  const resourceVersion = await now(api);
  await add(api, "a");
  await change(api, "a", { data: { x: "1" } });
  const watch = await api.watch(api.path("configmaps"), { resourceVersion });
  await add(api, "b");
  await remove(api, "a");
  const expected = ["ADDED a", "MODIFIED a", "ADDED b", "DELETED a"];
  await watch.tells(...expected);
  assert.deepEqual(watch.told, expected);
  const versions = watch.events.map((event) => Number(metaOf(record(event["object"]))["resourceVersion"]));
  assert.ok(versions.every((version, i) => i === 0 || version > (versions[i - 1] ?? 0)), String(versions));
  const gone = record(watch.events[3]?.["object"]);
  assert.deepEqual(gone["data"], { x: "1" });
  assert.equal(gone["kind"], "ConfigMap");
  assert.equal(gone["apiVersion"], "v1");
});

test("a watch without a version, or with 0, begins with what is there", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  await add(api, "a");
  await add(api, "b");
  for (const query of [{}, { resourceVersion: "0" }]) {
    const watch = await api.watch(api.path("configmaps"), query);
    await watch.tells("ADDED a", "ADDED b");
    assert.deepEqual([...watch.told].sort(), ["ADDED a", "ADDED b"]);
    await change(api, "a", { data: { x: JSON.stringify(query) } });
    await watch.tells("", "", "MODIFIED a");
    assert.equal(watch.told[2], "MODIFIED a");
  }
});

test("objects come and go as they begin and cease to match the selector", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  await add(api, "a", { on: "yes" });
  await add(api, "b");
  const watch = await api.watch(api.path("configmaps"), { resourceVersion: await now(api), labelSelector: "on=yes" });
  await change(api, "b", { metadata: { labels: { on: "yes" } } });
  await change(api, "a", { data: { still: "here" } });
  await change(api, "a", { metadata: { labels: { on: "no" } }, data: { after: "wards" } });
  await change(api, "a", { data: { un: "seen" } });
  await remove(api, "b");
  const expected = ["ADDED b", "MODIFIED a", "DELETED a", "DELETED b"];
  await watch.tells(...expected);
  assert.deepEqual(watch.told, expected);
  // What no longer matches is told as it was when it did.
  assert.deepEqual(record(watch.events[2]?.["object"])["data"], { still: "here" });
});

test("a watch selects by fields, as a watch of one object does", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  await api.create("pods", simplePod("a"));
  await api.create("pods", simplePod("b"));
  const watch = await api.watch(api.path("pods"), { fieldSelector: "metadata.name=b,status.phase=Running" });
  for (const name of ["a", "b"]) await api.patch(`${api.path("pods", name)}/status`, { status: { phase: "Running" } });
  await api.patch(`${api.path("pods", "b")}/status`, { status: { phase: "Succeeded" } });
  await watch.tells("ADDED b", "DELETED b");
  assert.deepEqual(watch.told, ["ADDED b", "DELETED b"]);
});

test("a watch tells of its namespace alone, or of all", async (t) => {
  const [here, there] = [await kubeApi(t, cluster.kubeconfig), await kubeApi(t, cluster.kubeconfig)];
  const resourceVersion = await now(here);
  const [one, all] = [await here.watch(here.path("configmaps"), { resourceVersion }), await here.watch("/api/v1/configmaps", { resourceVersion })];
  await add(there, "far");
  await add(here, "near");
  await one.tells("ADDED near");
  assert.deepEqual(one.told, ["ADDED near"]);
  await until("both were told", () => ["ADDED far", "ADDED near"].every((event) => all.told.includes(event)));
});

test("a streaming list ends its beginning with a bookmark, and goes on", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  await add(api, "a");
  const watch = await api.watch(api.path("configmaps"), { sendInitialEvents: "true", resourceVersionMatch: "NotOlderThan", allowWatchBookmarks: "true" });
  await until("the bookmark comes", () => watch.events.some((event) => event["type"] === "BOOKMARK"));
  assert.deepEqual(watch.events.map((event) => event["type"]), ["ADDED", "BOOKMARK"]);
  const bookmark = record(watch.events[1]?.["object"]);
  assert.equal(bookmark["kind"], "ConfigMap");
  assert.deepEqual(metaOf(bookmark)["annotations"], { "k8s.io/initial-events-end": "true" });
  await add(api, "b");
  await watch.tells("ADDED a", "ADDED b");
  const resumed = await api.watch(api.path("configmaps"), { resourceVersion: String(metaOf(bookmark)["resourceVersion"]) });
  await resumed.tells("ADDED b");
  assert.deepEqual(resumed.told, ["ADDED b"]);
});

test("a watch ends at its timeout, and the next one goes on from what it told last", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  const started = performance.now();
  const watch = await api.watch(api.path("configmaps"), { timeoutSeconds: "1", allowWatchBookmarks: "true", resourceVersion: await now(api) });
  await add(api, "a");
  await watch.end();
  assert.ok(performance.now() - started > 900);
  assert.deepEqual(watch.told, ["ADDED a"]);
  await add(api, "b");
  const next = await api.watch(api.path("configmaps"), { resourceVersion: String(metaOf(record(watch.events.at(-1)?.["object"]))["resourceVersion"]) });
  await next.tells("ADDED b");
  assert.deepEqual(next.told, ["ADDED b"]);
});

test("watches that make no sense are refused", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  const refused = async (query: string): Promise<string> => refusal(await api.send("GET", `${api.path("configmaps")}?watch=1&timeoutSeconds=1&${query}`));
  const about = '422 Invalid: ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: ';
  assert.equal(await refused("sendInitialEvents=true"), `${about}sendInitialEvents requires setting resourceVersionMatch to NotOlderThan`);
  assert.equal(await refused("resourceVersionMatch=NotOlderThan"), `${about}resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided`);
  assert.equal(await refused("continue=x"), `${about}resourceVersionMatch is forbidden when continue is provided`);
  assert.match(await refused("resourceVersion=x"), /^500 : resourceVersion: Invalid value: "x"/);
  assert.match(await refused("labelSelector=x+in"), /^400 BadRequest: unable to parse requirement/);
});

test("a watch can be of tables, whose columns come once, and of metadata", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  const resourceVersion = await now(api);
  const tables = await api.watch(api.path("configmaps"), { resourceVersion }, asTable);
  const metadata = await api.watch(api.path("configmaps"), { resourceVersion }, asMetadata);
  await add(api, "a");
  await add(api, "b");
  await until("both told both", () => tables.events.length === 2 && metadata.events.length === 2);
  const [first, second] = tables.events.map((event) => record(event["object"]));
  assert.equal(first?.["kind"], "Table");
  assert.deepEqual(records(first?.["columnDefinitions"]).map((column) => column["name"]), ["Name", "Data", "Age"]);
  assert.equal(second?.["columnDefinitions"], null);
  assert.deepEqual(records(second?.["rows"]).map((row) => texts(row["cells"])[0]), ["b"]);
  assert.deepEqual(metadata.events.map((event) => record(event["object"])["kind"]), ["PartialObjectMetadata", "PartialObjectMetadata"]);
});
