/** The official client: what it lists, watches, creates, changes and deletes. Runs on the built-in cluster and on a real API server. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { TestContext } from "node:test";
import { AuthorizationV1Api, CoordinationV1Api, CoreV1Api, KubeConfig, KubernetesObjectApi, makeInformer, PatchStrategy, setHeaderOptions, Watch } from "@kubernetes/client-node";
import type { V1Pod } from "@kubernetes/client-node";
import { isRecord, record } from "../../src/embedded/kubelet/json.ts";
import { startTestCluster } from "../support/cluster.ts";
import type { TestCluster } from "../support/cluster.ts";
import { kubeApi } from "../support/kube-api.ts";
import { until } from "../support/until.ts";

let cluster: TestCluster;
before(async () => {
  cluster = await startTestCluster();
});
after(async () => cluster.close());

async function connect(t: TestContext): Promise<{ readonly config: KubeConfig; readonly core: CoreV1Api; readonly namespace: string }> {
  const { namespace } = await kubeApi(t, cluster.kubeconfig);
  const config = new KubeConfig();
  config.loadFromFile(cluster.kubeconfig);
  return { config, core: config.makeApiClient(CoreV1Api), namespace };
}

const pod = (name: string): V1Pod => ({ metadata: { name, labels: { app: name } }, spec: { containers: [{ name: "main", image: "i" }] } });

/** The HTTP status that a call was refused with. */
async function codeOf(call: Promise<unknown>): Promise<unknown> {
  try {
    await call;
    return 200;
  } catch (error) {
    return isRecord(error) ? error["code"] : error;
  }
}

test("pods are created, read, listed, changed, bound and deleted", async (t) => {
  const { core, namespace } = await connect(t);
  const made = await core.createNamespacedPod({ namespace, body: pod("a") });
  assert.ok(made.metadata?.creationTimestamp instanceof Date);
  const read = await core.readNamespacedPod({ namespace, name: "a" });
  assert.equal(read.spec?.containers[0]?.image, "i");
  read.metadata = Object.assign(structuredClone(read.metadata ?? {}), { annotations: { by: "replace" } });
  const replaced = await core.replaceNamespacedPod({ namespace, name: "a", body: structuredClone(read) });
  assert.deepEqual(replaced.metadata?.annotations, { by: "replace" });
  assert.equal(await codeOf(core.replaceNamespacedPod({ namespace, name: "a", body: read })), 409);
  const patched = await core.patchNamespacedPod({ namespace, name: "a", body: { metadata: { labels: { more: "1" } } } }, setHeaderOptions("Content-Type", PatchStrategy.StrategicMergePatch));
  assert.deepEqual(patched.metadata?.labels, { app: "a", more: "1" });
  await core.createNamespacedPodBinding({ namespace, name: "a", body: { metadata: { name: "a" }, target: { kind: "Node", name: "n1" } } });
  const status = await core.patchNamespacedPodStatus({ namespace, name: "a", body: [{ op: "replace", path: "/status/phase", value: "Running" }] });
  assert.equal(status.status?.phase, "Running");
  const list = await core.listNamespacedPod({ namespace, labelSelector: "more=1", fieldSelector: "spec.nodeName=n1" });
  assert.deepEqual(list.items.map((item) => item.metadata?.name), ["a"]);
  const gone = await core.deleteNamespacedPod({ namespace, name: "a", gracePeriodSeconds: 0 });
  assert.equal(gone.metadata?.name, "a");
  assert.equal(await codeOf(core.readNamespacedPod({ namespace, name: "a" })), 404);
});

test("objects of any kind are created, patched and listed by their kind alone", async (t) => {
  const { config, namespace } = await connect(t);
  const objects = KubernetesObjectApi.makeApiClient(config);
  const header = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "a", namespace } };
  await objects.create({ ...header, data: { a: "1" } });
  await objects.patch({ ...header, data: { b: "2" } }, undefined, undefined, "me", undefined, PatchStrategy.MergePatch);
  assert.deepEqual(record(await objects.read(header))["data"], { a: "1", b: "2" });
  assert.equal((await objects.list("v1", "ConfigMap", namespace)).items.length, 1);
  await objects.patch({ ...header, data: { c: "3" } }, undefined, undefined, "me", true, PatchStrategy.ServerSideApply);
  assert.deepEqual(record(await objects.read(header))["data"], { a: "1", b: "2", c: "3" });
  await objects.delete(header);
  assert.equal(await codeOf(objects.read(header)), 404);
});

test("pages are followed by their tokens", async (t) => {
  const { core, namespace } = await connect(t);
  for (const name of ["a", "b", "c"]) await core.createNamespacedSecret({ namespace, body: { metadata: { name }, stringData: { key: name } } });
  const names: (string | undefined)[] = [];
  let token: string | undefined;
  do {
    const page = await core.listNamespacedSecret({ namespace, limit: 2, ...(token === undefined ? {} : { _continue: token }) });
    names.push(...page.items.map((item) => item.metadata?.name));
    token = page.metadata?._continue;
  } while (token !== undefined && token !== "");
  assert.deepEqual(names, ["a", "b", "c"]);
});

test("a watch tells of changes until it is aborted", async (t) => {
  const { config, core, namespace } = await connect(t);
  const seen: string[] = [];
  const abort = await new Watch(config).watch(`/api/v1/namespaces/${namespace}/pods`, {}, (phase, object: V1Pod) => void seen.push(`${phase} ${object.metadata?.name ?? ""}`), () => {});
  t.after(() => abort.abort());
  await core.createNamespacedPod({ namespace, body: pod("a") });
  await core.deleteNamespacedPod({ namespace, name: "a" });
  await until("the deletion came", () => seen.includes("DELETED a"));
  assert.equal(seen[0], "ADDED a");
});

test("an informer keeps up", async (t) => {
  const { config, core, namespace } = await connect(t);
  await core.createNamespacedPod({ namespace, body: pod("a") });
  const informer = makeInformer<V1Pod>(config, `/api/v1/namespaces/${namespace}/pods`, () => core.listNamespacedPod({ namespace }));
  informer.on("error", () => {});
  t.after(() => informer.stop());
  await informer.start();
  const names = (): string => informer.list(namespace).map((item) => item.metadata?.name ?? "").sort().join();
  await until("the first is known", () => names() === "a");
  await core.createNamespacedPod({ namespace, body: pod("b") });
  await until("the second is known", () => names() === "a,b");
  await core.deleteNamespacedPod({ namespace, name: "a" });
  await until("the first is gone", () => names() === "b");
});

test("leases are taken and renewed", async (t) => {
  const { config, namespace } = await connect(t);
  const leases = config.makeApiClient(CoordinationV1Api);
  const lease = await leases.createNamespacedLease({ namespace, body: { metadata: { name: "a" }, spec: { holderIdentity: "me", leaseDurationSeconds: 15 } } });
  const renewed = await leases.replaceNamespacedLease({ namespace, name: "a", body: Object.assign(structuredClone(lease), { spec: { holderIdentity: "me", leaseTransitions: 1 } }) });
  assert.equal(renewed.spec?.leaseTransitions, 1);
  assert.equal(await codeOf(leases.replaceNamespacedLease({ namespace, name: "a", body: lease })), 409);
});

test("rights are asked for", async (t) => {
  const { config } = await connect(t);
  const answer = await config.makeApiClient(AuthorizationV1Api).createSelfSubjectAccessReview({ body: { spec: { resourceAttributes: { verb: "watch", resource: "pods" } } } });
  assert.equal(answer.status?.allowed, true);
});
