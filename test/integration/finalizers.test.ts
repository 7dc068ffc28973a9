/** How the lifecycle controller changes pods, before a Kubernetes API: finalizers one by one, deletions, and pods that are made anew. Runs on the built-in cluster and on a real API server. */
import assert from "node:assert/strict";
import { after, before, test, type TestContext } from "node:test";
import { systemClock } from "../../src/domain/clock.ts";
import { parseObject } from "../../src/domain/json.ts";
import { silentLog } from "../../src/domain/log.ts";
import { Budget } from "../../src/main/kube/budget.ts";
import { KubeClient } from "../../src/main/kube/client.ts";
import { Credentials } from "../../src/main/kube/credentials.ts";
import { KubeError } from "../../src/main/kube/errors.ts";
import { KubeObjects, type Wish } from "../../src/main/kube/objects.ts";
import { anew } from "../../src/main/lifecycle/pod-copies.ts";
import { record, texts } from "../../src/embedded/kubelet/json.ts";
import { startTestCluster, type TestCluster } from "../support/cluster.ts";
import { kubeApi, metaOf, simplePod, type KubeApi } from "../support/kube-api.ts";
import { daemonKubeconfig } from "../support/rights.ts";

let cluster: TestCluster;
before(async () => {
  cluster = await startTestCluster();
});
after(async () => cluster.close());

const wish: Wish = { priority: "user", signal: new AbortController().signal };

async function setup(t: TestContext): Promise<{ readonly api: KubeApi; readonly objects: KubeObjects }> {
  const api = await kubeApi(t, cluster.kubeconfig);
  const client = new KubeClient({ credentials: new Credentials({ kind: "kubeconfig", files: [await daemonKubeconfig(cluster.kubeconfig, api.namespace)] }, systemClock, silentLog), clock: systemClock });
  t.after(() => client.close());
  return { api, objects: new KubeObjects({ client, budget: new Budget({ qps: 100, burst: 100, clock: systemClock }), namespace: api.namespace, clock: systemClock, random: Math.random }) };
}

test("a finalizer is added and taken away, and others stay; another pod of the name is left alone", async (t) => {
  const { api, objects } = await setup(t);
  const uid = String(metaOf(await api.create("pods", simplePod("ws-one", {}, { finalizers: ["example.com/debug"] })))["uid"]);
  const finalizers = async (): Promise<unknown> => metaOf(await api.get(api.path("pods", "ws-one")))["finalizers"];
  const patch = { podName: "ws-one", uid, annotations: { "example.com/a": "1" } };
  const added = parseObject(await objects.annotate({ ...patch, finalizers: { add: "gitpod.io/finalizer" } }, wish));
  assert.equal(added?.["kind"], "Pod");
  assert.deepEqual(new Set(texts(await finalizers())), new Set(["example.com/debug", "gitpod.io/finalizer"]));
  await assert.rejects(objects.annotate({ ...patch, uid: "another", finalizers: { remove: "gitpod.io/finalizer" } }, wish), (error) => error instanceof KubeError && error.status === 404);
  await objects.annotate({ ...patch, finalizers: { remove: "gitpod.io/finalizer" } }, wish);
  await objects.annotate({ ...patch, finalizers: { remove: "gitpod.io/finalizer" } }, wish);
  assert.deepEqual(await finalizers(), ["example.com/debug"]);
  await assert.rejects(objects.annotate({ ...patch, resourceVersion: "1" }, wish), (error) => error instanceof KubeError && error.status === 409);
  await objects.release("ws-one", uid, wish);
});

test("a deletion answers with the pod as it is then, and a pod that is made anew is taken as it was", async (t) => {
  const { api, objects } = await setup(t);
  const pod = await api.create("pods", simplePod("ws-one", { automountServiceAccountToken: false }, { finalizers: ["gitpod.io/finalizer"], annotations: { "gitpod/id": "one" } }));
  const uid = String(metaOf(pod)["uid"]);
  const deleted = parseObject((await objects.remove("pods/ws-one", uid, 30, wish)) ?? new Uint8Array());
  assert.equal(deleted?.["kind"], "Pod");
  assert.notEqual(metaOf(deleted ?? {})["deletionTimestamp"], undefined);
  const read = parseObject(await objects.get("pods/ws-one", wish)) ?? {};
  await objects.release("ws-one", uid, wish);
  await objects.remove("pods/ws-one", uid, 0, wish);
  const made = parseObject(await objects.create("pods", JSON.stringify(anew(read)), wish)) ?? {};
  assert.notEqual(metaOf(made)["uid"], uid);
  assert.equal(metaOf(made)["deletionTimestamp"], undefined);
  assert.deepEqual(metaOf(made)["annotations"], { "gitpod/id": "one", "gitpod.io/firstCreated": metaOf(pod)["creationTimestamp"] });
  assert.deepEqual(record(made["spec"]), record(pod["spec"]));
  await objects.release("ws-one", String(metaOf(made)["uid"]), wish);
});

test("a pod is released and deleted of the version that was looked at only; a conflict leaves it as it is", async (t) => {
  const { api, objects } = await setup(t);
  const made = await api.create("pods", simplePod("ws-one", {}, { finalizers: ["gitpod.io/finalizer"] }));
  const [uid, stale] = [String(metaOf(made)["uid"]), String(metaOf(made)["resourceVersion"])];
  const written = metaOf(await objects.annotate({ podName: "ws-one", uid, annotations: { "example.com/a": "1" } }, wish).then((pod) => parseObject(pod) ?? {}));
  const isConflict = (error: unknown): boolean => error instanceof KubeError && error.status === 409;
  await assert.rejects(objects.release("ws-one", uid, wish, { resourceVersion: stale }), isConflict);
  await assert.rejects(objects.remove("pods/ws-one", uid, 0, wish, { resourceVersion: stale }), isConflict);
  assert.deepEqual(metaOf(await api.get(api.path("pods", "ws-one"))), written);
  const released = metaOf(parseObject((await objects.release("ws-one", uid, wish, { resourceVersion: String(written["resourceVersion"]) })) ?? new Uint8Array()) ?? {});
  assert.equal(released["finalizers"], undefined);
  await objects.remove("pods/ws-one", uid, 0, wish, { resourceVersion: String(released["resourceVersion"]) });
  assert.equal((await api.send("GET", api.path("pods", "ws-one"))).code, 404);
  assert.equal(await objects.remove("pods/ws-one", uid, 0, wish), undefined);
});
