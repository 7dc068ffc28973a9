/** Faults on demand, counts, and both over HTTP. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { records } from "../../../../src/embedded/kubelet/json.ts";
import { namesOf, refusal } from "../../../support/kube-api.ts";
import { until } from "../../../support/until.ts";
import { VirtualClock } from "../../../support/virtual-clock.ts";
import { add, started } from "./setup.ts";

test("a fault answers in the place of the server, as often as it is told to", async (t) => {
  const { cluster, api } = await started(t);
  cluster.faults.add({ verbs: ["get", "list"], resources: ["configmaps"], code: 503, times: 2, retryAfterSeconds: 7 });
  const list = (): ReturnType<typeof api.send> => api.send("GET", api.path("configmaps"));
  const first = await list();
  assert.equal(refusal(first), "503 ServiceUnavailable: fault on demand");
  assert.equal(first.headers.get("retry-after"), "7");
  assert.equal((await api.send("GET", api.path("secrets"))).code, 200);
  assert.equal((await list()).code, 503);
  assert.equal((await list()).code, 200);
});

test("a fault strikes what it names alone, until it is removed", async (t) => {
  const { cluster, api } = await started(t);
  await api.create("pods", { metadata: { name: "a" }, spec: { containers: [{ name: "c", image: "i" }] } });
  const remove = cluster.faults.add({ verbs: ["patch"], resources: ["pods"], subresource: "status", name: "a", code: 409, reason: "Conflict", message: "not now" });
  const patch = async (path: string): Promise<string> => refusal(await api.patch(path, { metadata: { labels: { a: "b" } } }));
  assert.equal(await patch(`${api.path("pods", "a")}/status`), "409 Conflict: not now");
  assert.match(await patch(api.path("pods", "a")), /^200/);
  remove();
  assert.match(await patch(`${api.path("pods", "a")}/status`), /^200/);
});

test("a share of the requests fails, as the random numbers say", async (t) => {
  const numbers = [0.1, 0.6, 0.49, 0.5];
  const { cluster, api } = await started(t, { random: () => numbers.shift() ?? 0.9 });
  cluster.faults.add({ resources: ["secrets"], percent: 50, code: 500 });
  const codes: number[] = [];
  for (let i = 0; i < 4; i++) codes.push((await api.send("GET", api.path("secrets"))).code);
  assert.deepEqual(codes, [500, 200, 500, 200]);
});

test("a fault delays, by the server's clock", async (t) => {
  const serverClock = new VirtualClock();
  const { cluster, api } = await started(t, { clock: serverClock });
  cluster.faults.add({ resources: ["configmaps"], delayMs: 30_000 });
  let done = false;
  const answer = api.send("GET", api.path("configmaps")).then(() => (done = true));
  await until("the request waits", () => serverClock.pending > 0);
  serverClock.advance(29_000);
  await api.send("GET", api.path("secrets"));
  assert.equal(done, false);
  serverClock.advance(1000);
  await answer;
});

test("a fault cuts an answer short by a reset", async (t) => {
  const { cluster, api } = await started(t);
  await add(api, "a", { filler: "x".repeat(1000) });
  cluster.faults.add({ verbs: ["list"], resources: ["configmaps"], resetAfterBytes: 100, times: 1 });
  await assert.rejects(api.get(api.path("configmaps")));
  assert.deepEqual(namesOf(await api.get(api.path("configmaps"))), ["a"]);
  cluster.faults.add({ verbs: ["watch"], resources: ["configmaps"], resetAfterBytes: 100, times: 1 });
  const watch = await api.watch(api.path("configmaps"));
  await watch.end();
  assert.deepEqual([watch.told, watch.partial.length], [[], 100]);
});

test("faults are bounded, and cleared at once", async (t) => {
  const { cluster, api } = await started(t);
  for (let i = 0; i < 1000; i++) cluster.faults.add({ code: 500 });
  assert.throws(() => cluster.faults.add({ code: 500 }), RangeError);
  cluster.faults.clear();
  assert.equal((await api.send("GET", api.path("configmaps"))).code, 200);
});

test("requests are counted by verb, resource and subresource", async (t) => {
  const { cluster, api } = await started(t);
  cluster.requests.reset();
  await add(api, "a");
  await api.get(api.path("configmaps"));
  await api.get(api.path("configmaps", "a"));
  await api.watch(api.path("configmaps"));
  await api.send("GET", `${api.path("pods", "none")}/status`);
  assert.equal(cluster.requests.total(), 5);
  assert.equal(cluster.requests.total({ resource: "configmaps" }), 4);
  assert.equal(cluster.requests.total({ verb: "watch" }), 1);
  assert.equal(cluster.requests.total({ verb: "get", subresource: "status" }), 1);
});

test("faults and counts are reached over HTTP where that is switched on", async (t) => {
  const { cluster, api } = await started(t, { admin: true });
  await api.ok("POST", "/embedded/v1/faults", { resources: ["configmaps"], verbs: ["list"], code: 500, times: 1 });
  assert.equal((await api.send("GET", api.path("configmaps"))).code, 500);
  await api.ok("DELETE", "/embedded/v1/requests");
  const watch = await api.watch(api.path("configmaps"));
  const counts = await api.get("/embedded/v1/requests");
  assert.deepEqual(records(counts["requests"]), [{ verb: "watch", resource: "configmaps", subresource: "", count: 1 }]);
  assert.equal(counts["watches"], 1);
  assert.deepEqual(await api.ok("POST", "/embedded/v1/faults/cut-watches", { how: "end" }), { cut: 1 });
  await watch.end();
  await api.ok("POST", "/embedded/v1/faults/freeze-watches");
  await api.ok("POST", "/embedded/v1/faults/thaw-watches");
  await add(api, "a");
  await api.ok("POST", "/embedded/v1/faults/expire-history");
  assert.equal(cluster.store.history.compacted, cluster.store.resourceVersion);
  await api.ok("POST", "/embedded/v1/faults", { code: 503 });
  await api.ok("DELETE", "/embedded/v1/faults");
  await api.ok("POST", "/embedded/v1/faults/outage", { ms: 50 });
  await until("it is down", async () => api.get("/healthz").then(() => false, () => true));
  await until("it is back", async () => api.send("GET", "/healthz").then(({ code }) => code === 200, () => false));
  for (const [path, body] of [["faults/cut-watches", { how: "gently" }], ["faults", { verbs: ["explode"] }], ["faults", { percent: "half" }], ["faults", { percent: 500 }], ["faults", { code: 9 }], ["faults", { resources: "pods" }], ["faults", { resource: "pods" }]] as const) {
    assert.equal((await api.send("POST", `/embedded/v1/${path}`, body)).code, 400, JSON.stringify(body));
  }
  assert.equal((await api.send("POST", "/embedded/v1/nothing")).code, 404);
});

test("without that they are not there", async (t) => {
  const { api } = await started(t);
  assert.equal((await api.send("GET", "/embedded/v1/requests")).code, 404);
});
