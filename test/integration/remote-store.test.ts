/** Scheduler, kubelets and node daemons of the built-in cluster on any API server, as fault tests play them on a real one. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, test, type TestContext } from "node:test";
import type { ChangeType, KubeObject } from "../../src/embedded/contract.ts";
import { startKubelet } from "../../src/embedded/kubelet/index.ts";
import { record, records } from "../../src/embedded/kubelet/json.ts";
import { startTestCluster, type TestCluster } from "../support/cluster.ts";
import { simplePod } from "../support/kube-api.ts";
import { readKubeconfig } from "../support/kubeconfig.ts";
import { Player } from "../support/player.ts";
import { RemoteStore } from "../support/remote/store.ts";
import { until } from "../support/until.ts";

let cluster: TestCluster;
before(async () => {
  cluster = await startTestCluster();
});
after(() => cluster.close());

interface Scene {
  readonly player: Player;
  readonly store: RemoteStore;
  readonly errors: unknown[];
  readonly told: (readonly [ChangeType, KubeObject])[];
}

async function scene(t: TestContext): Promise<Scene> {
  const player = new Player({ ...(await readKubeconfig(cluster.kubeconfig)), namespace: `remote-${randomBytes(5).toString("hex")}` });
  await player.ensureNamespace();
  await player.ensureNode("node-1");
  const errors: unknown[] = [];
  const store = await RemoteStore.open(player, (error) => errors.push(error));
  const told: (readonly [ChangeType, KubeObject])[] = [];
  store.subscribe("pods", (type, pod) => told.push([type, pod]));
  t.after(async () => {
    await store.idle();
    store.close();
    await player.close();
  });
  return { player, store, errors, told };
}

const annotate = (store: RemoteStore, namespace: string, name: string, key: string): unknown =>
  store.update("pods", namespace, name, (draft) => {
    const metadata = record(draft["metadata"]);
    draft["metadata"] = { ...metadata, annotations: { ...record(metadata["annotations"]), [key]: "here" } };
  });

test("a pod is bound, becomes ready, and ends when it is deleted", async (t) => {
  const { player, store, errors } = await scene(t);
  const kubelet = startKubelet(store, { namespace: player.namespace, speed: 50, nodes: 1, onError: (error) => errors.push(error) });
  t.after(() => kubelet.close());
  await player.createPod(simplePod("a"));
  const ready = async (): Promise<boolean> => records(record((await player.pod("a"))?.["status"])["conditions"]).some(({ type, status }) => type === "Ready" && status === "True");
  await until("the API server has it ready", ready);
  assert.equal(record((await player.pod("a"))?.["spec"])["nodeName"], "node-1");
  await player.delete("a", 30);
  await until("it is gone", async () => (await player.pod("a")) === undefined);
  await until("it is seen to be gone", () => store.get("pods", player.namespace, "a") === undefined);
  assert.deepEqual(errors, []);
});

test("a change is seen at once, and stays where others change the same object at that moment", async (t) => {
  const { player, store, errors, told } = await scene(t);
  await player.createPod(simplePod("a"));
  await until("it is seen", () => told.length === 1);
  const others = Array.from({ length: 10 }, async (_, i) => player.annotate("a", { [`others-${i}`]: "here" }));
  for (let i = 0; i < 10; i++) {
    annotate(store, player.namespace, "a", `own-${i}`);
    assert.equal(store.get("pods", player.namespace, "a")?.metadata.annotations?.[`own-${i}`], "here");
  }
  await Promise.all(others);
  await store.idle();
  const noted = record(record((await player.pod("a"))?.["metadata"])["annotations"]);
  assert.deepEqual(Object.keys(noted).toSorted(), [...Array.from({ length: 10 }, (_, i) => `others-${i}`), ...Array.from({ length: 10 }, (_, i) => `own-${i}`)].toSorted());
  const seen = told.map(([, pod]) => Object.keys(pod.metadata.annotations ?? {}).length);
  assert.deepEqual(seen, seen.toSorted((a, b) => a - b), "nothing is seen to be taken back");
  assert.deepEqual(errors, []);
});

test("what is made with a status is seen with it, from the first moment", async (t) => {
  const { player, store, told } = await scene(t);
  await store.made("pods", { ...simplePod("a", { nodeName: "node-1" }), status: { phase: "Running" } });
  await until("it is seen", () => told.length > 0);
  assert.deepEqual(told.map(([type, pod]) => [type, record(pod["status"])["phase"]])[0], ["ADDED", "Running"]);
  assert.equal(record((await player.pod("a"))?.["status"])["phase"], "Running");
});

test("what the API server refuses is told, and seen no more; a namesake of an object that went is not changed", async (t) => {
  const { player, store, errors, told } = await scene(t);
  await assert.rejects(store.made("pods", { apiVersion: "v1", kind: "Pod", metadata: { name: "none" }, spec: {} }), /422/);
  await player.createPod(simplePod("a"));
  await until("it is seen", () => told.length === 1);
  const { uid } = told[0]?.[1].metadata ?? {};
  store.update("pods", player.namespace, "a", (draft) => {
    draft["spec"] = { ...record(draft["spec"]), containers: [] };
  });
  await store.idle();
  assert.match(String(errors[0]), /422/);
  assert.equal(records(record(store.get("pods", player.namespace, "a")?.["spec"])["containers"]).length, 1);
  await player.delete("a", 0);
  await player.createPod(simplePod("a"));
  await until("the other one is seen", () => (store.get("pods", player.namespace, "a")?.metadata.uid ?? uid) !== uid);
  store.delete("pods", player.namespace, "a", { uid: uid ?? "", gracePeriodSeconds: 0 });
  await store.idle();
  assert.ok(await player.pod("a"), "it is another one");
  assert.throws(() => store.delete("pods", player.namespace, "b"), /not found/);
});
