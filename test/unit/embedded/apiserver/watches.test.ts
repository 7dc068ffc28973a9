/** Watches of the built-in cluster: what can be done to them, and their bounds. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { record } from "../../../../src/embedded/kubelet/json.ts";
import { metaOf, namesOf, refusal } from "../../../support/kube-api.ts";
import { until } from "../../../support/until.ts";
import { VirtualClock } from "../../../support/virtual-clock.ts";
import { add, started } from "./setup.ts";

const expired = { kind: "Status", apiVersion: "v1", metadata: {}, status: "Failure", reason: "Expired", code: 410 } as const;

test("who resumes from before a compaction is told 410: a watch by an event, a list and its pages by an answer", async (t) => {
  const { cluster, api } = await started(t);
  const path = api.path("configmaps");
  for (const name of ["a", "b", "c"]) await add(api, name);
  const page = metaOf(await api.get(`${path}?limit=1`));
  const old = cluster.store.resourceVersion;
  await add(api, "d");
  cluster.faults.expireHistory();
  const compacted = cluster.store.resourceVersion;
  const watch = await api.watch(path, { resourceVersion: String(old) });
  await watch.end();
  assert.deepEqual(watch.events, [{ type: "ERROR", object: { ...expired, message: `too old resource version: ${old} (${compacted})` } }]);
  assert.equal(refusal(await api.send("GET", `${path}?resourceVersion=${old}&resourceVersionMatch=Exact`)), "410 Expired: The resourceVersion for the provided list is too old.");
  const next = await api.send("GET", `${path}?limit=1&continue=${String(page["continue"])}`);
  assert.match(refusal(next), /^410 Expired: The provided continue parameter is too old to display a consistent list result/);
  // The refusal brings a token with which the rest can be had, as it is now.
  assert.deepEqual(namesOf(await api.get(`${path}?continue=${String(metaOf(next.body)["continue"])}`)), ["b", "c", "d"]);
  const fresh = await api.watch(path, { resourceVersion: String(compacted) });
  await add(api, "e");
  await fresh.tells("ADDED e");
  assert.deepEqual(fresh.told, ["ADDED e"]);
});

test("the history is bounded by changes and by bytes", async (t) => {
  for (const options of [{ historyLimit: 5 }, { historyBytes: 3000 }]) {
    const { cluster, api } = await started(t, options);
    const before = cluster.store.resourceVersion;
    for (let i = 0; i < 20; i++) await add(api, `c${i}`, { filler: "x".repeat(100) });
    const watch = await api.watch(api.path("configmaps"), { resourceVersion: String(before) });
    await watch.end();
    assert.equal(record(watch.events[0]?.["object"])["code"], 410);
    const recent = await api.watch(api.path("configmaps"), { resourceVersion: String(cluster.store.resourceVersion - 3) });
    await recent.tells("", "", "");
    assert.deepEqual(recent.told, ["ADDED c17", "ADDED c18", "ADDED c19"]);
  }
});

test("bookmarks come at their interval, with the newest version, to those who want them", async (t) => {
  const serverClock = new VirtualClock();
  const { cluster, api } = await started(t, { serverClock, bookmarkIntervalMs: 60_000 });
  const resourceVersion = String(cluster.store.resourceVersion);
  const path = api.path("configmaps");
  const [wants, other] = [await api.watch(path, { resourceVersion, allowWatchBookmarks: "true" }), await api.watch(path, { resourceVersion })];
  await api.ok("POST", api.path("secrets"), { metadata: { name: "elsewhere" } });
  serverClock.advance(59_000);
  serverClock.advance(2000);
  await until("the bookmark came", () => wants.events.length > 0);
  assert.deepEqual(wants.events.map(({ type }) => type), ["BOOKMARK"]);
  assert.equal(metaOf(record(wants.events[0]?.["object"]))["resourceVersion"], String(cluster.store.resourceVersion));
  serverClock.advance(120_000);
  await until("more came", () => wants.events.length === 3);
  assert.deepEqual(other.events, []);
});

test("a watch lasts as long as it asked for, with a bookmark shortly before", async (t) => {
  const serverClock = new VirtualClock();
  const { api } = await started(t, { serverClock });
  const watch = await api.watch(api.path("configmaps"), { timeoutSeconds: "30", allowWatchBookmarks: "true", resourceVersion: "1" });
  serverClock.advance(29_000);
  await until("the bookmark came", () => watch.events.length === 1);
  assert.equal(watch.ended, false);
  serverClock.advance(1000);
  await watch.end();
});

test("frozen watches say nothing, and tell all of it once they are thawed", async (t) => {
  const { cluster, api } = await started(t);
  const watch = await api.watch(api.path("configmaps"), { resourceVersion: String(cluster.store.resourceVersion) });
  cluster.faults.freezeWatches();
  await add(api, "a");
  const late = await api.watch(api.path("configmaps"));
  await add(api, "b");
  assert.deepEqual(namesOf(await api.get(api.path("configmaps"))), ["a", "b"]);
  assert.deepEqual([watch.told, late.told], [[], []]);
  cluster.faults.thawWatches();
  await watch.tells("", "");
  await late.tells("", "");
  assert.deepEqual([watch.told, late.told], [["ADDED a", "ADDED b"], ["ADDED a", "ADDED b"]]);
});

test("watches are cut at the end of a line, by a reset, or within a line; of one resource or all", async (t) => {
  const { cluster, api } = await started(t);
  const resourceVersion = String(cluster.store.resourceVersion);
  for (const how of ["end", "reset", "midLine"] as const) {
    const [cut, other] = [await api.watch(api.path("configmaps"), { resourceVersion }), await api.watch(api.path("secrets"), { resourceVersion })];
    assert.equal(cluster.faults.cutWatches(how, "configmaps"), 1);
    await cut.end();
    assert.equal(cut.partial !== "", how === "midLine", how);
    assert.equal(other.ended, false);
    assert.equal(cluster.faults.cutWatches(how), 1);
    await other.end();
    await until("both are forgotten", () => cluster.watches.size === 0);
  }
});

test("more watches than the bound are refused with 429", async (t) => {
  const { cluster, api } = await started(t, { maxWatches: 2 });
  const first = await api.watch(api.path("configmaps"));
  await api.watch(api.path("configmaps"));
  const refused = await api.send("GET", `${api.path("configmaps")}?watch=1`);
  assert.equal(refusal(refused), "429 TooManyRequests: too many watches");
  assert.equal(refused.headers.get("retry-after"), "1");
  first.stop();
  await until("there is room", () => cluster.watches.size === 1);
  assert.equal((await api.watch(api.path("configmaps"))).code, 200);
});

test("a watcher that does not keep up loses its connection", async (t) => {
  const { cluster, api } = await started(t, { watchBacklogBytes: 20_000 });
  const watch = await api.watch(api.path("configmaps"));
  cluster.faults.freezeWatches();
  for (let i = 0; i < 4; i++) await add(api, `c${i}`, { filler: "x".repeat(9000) });
  await watch.end();
  assert.equal(cluster.watches.size, 0);
});

test("after an outage the server is back on its port, with everything as it was", async (t) => {
  const { cluster, api } = await started(t);
  await add(api, "a");
  const watch = await api.watch(api.path("configmaps"));
  await cluster.faults.stopServer();
  await watch.end();
  await assert.rejects(api.get(api.path("configmaps")));
  await cluster.faults.startServer();
  assert.deepEqual(namesOf(await api.get(api.path("configmaps"))), ["a"]);
});
