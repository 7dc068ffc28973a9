/** What the built-in cluster holds and lets in. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { startEmbeddedCluster } from "../../../../src/embedded/index.ts";
import { createAuthority } from "../../../support/certs.ts";
import { namesOf, refusal, simplePod } from "../../../support/kube-api.ts";
import { add, started } from "./setup.ts";

test("a full cluster takes no more objects until some are deleted", async (t) => {
  const { cluster, api } = await started(t, { objectLimit: 6 });
  const room = 6 - cluster.store.quota.objects;
  assert.ok(room > 1);
  for (let i = 0; i < room; i++) await add(api, `c${i}`);
  const more = (): ReturnType<typeof api.send> => api.send("POST", api.path("configmaps"), { metadata: { name: "more" } });
  assert.equal(refusal(await more()), "507 InsufficientStorage: the built-in cluster is full: it holds 6 objects at most; delete some objects");
  assert.equal((await api.patch(api.path("configmaps", "c0"), { data: { a: "b" } })).code, 200);
  await api.ok("DELETE", api.path("configmaps", "c0"));
  assert.equal((await more()).code, 201);
});

test("objects do not grow beyond the bytes that the cluster holds, and can shrink and go", async (t) => {
  const { cluster, api } = await started(t, { objectBytes: 20_000 });
  await add(api, "a", { filler: "x".repeat(9000) });
  const grow = await api.patch(api.path("configmaps", "a"), { data: { filler: "x".repeat(30_000) } });
  assert.equal(refusal(grow), "507 InsufficientStorage: the built-in cluster is full: it holds 20000 bytes at most; delete some objects");
  const before = cluster.store.quota.bytes;
  assert.equal((await api.patch(api.path("configmaps", "a"), { data: { filler: "x" } })).code, 200);
  assert.ok(cluster.store.quota.bytes < before - 8000);
  await api.ok("DELETE", api.path("configmaps", "a"));
  const { objects, bytes } = cluster.store.quota;
  await add(api, "a", { filler: "x".repeat(9000) });
  await api.ok("DELETE", api.path("configmaps", "a"));
  assert.deepEqual([cluster.store.quota.objects, cluster.store.quota.bytes], [objects, bytes]);
});

test("a pod that waits for its finalizer counts until it is gone", async (t) => {
  const { cluster, api } = await started(t);
  const { objects } = cluster.store.quota;
  await api.create("pods", simplePod("a", {}, { finalizers: ["example.com/one"] }));
  await api.ok("DELETE", api.path("pods", "a"));
  assert.equal(cluster.store.quota.objects, objects + 1);
  await api.patch(api.path("pods", "a"), { metadata: { finalizers: null } });
  assert.equal(cluster.store.quota.objects, objects);
});

test("with a token only those who bring it are let in; health is everyone's", async (t) => {
  const { cluster, api } = await started(t, { token: "secret-token" });
  assert.equal((await api.send("GET", api.path("pods"))).code, 200);
  for (const headers of [{}, { authorization: "Bearer other" }, { authorization: "secret-token" }]) {
    const answer = await fetch(`${cluster.url}/api/v1/pods`, { headers });
    assert.equal(answer.status, 401);
    assert.ok(!(await answer.text()).includes("secret-token"));
  }
  assert.equal((await fetch(`${cluster.url}/readyz`)).status, 200);
});

test("it serves HTTPS with the certificate that its kubeconfig trusts", async (t) => {
  const authority = await createAuthority("test");
  const { crt, key } = await authority.issue("server", { usage: "server" });
  const { cluster, api } = await started(t, { tls: { cert: `${crt}\n${authority.crt}`, key } });
  assert.match(cluster.url, /^https:/);
  await add(api, "a");
  assert.deepEqual(namesOf(await api.get(api.path("configmaps"))), ["a"]);
  const watch = await api.watch(api.path("configmaps"));
  await watch.tells("ADDED a");
  cluster.faults.cutWatches("reset");
  await watch.end();
});

test("a port that is taken is an error, and closing twice is none", async (t) => {
  const { cluster } = await started(t);
  await assert.rejects(startEmbeddedCluster({ port: Number(new URL(cluster.url).port) }), /EADDRINUSE/);
  await cluster.close();
  await cluster.close();
});
