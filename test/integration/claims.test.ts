/** Volume claims before a Kubernetes API: the one that is meant goes, and no other one that has its name. Runs on the built-in cluster and on a real API server. */
import assert from "node:assert/strict";
import { after, before, test, type TestContext } from "node:test";
import { systemClock } from "../../src/domain/clock.ts";
import { silentLog } from "../../src/domain/log.ts";
import { text } from "../../src/embedded/kubelet/json.ts";
import { Budget } from "../../src/main/kube/budget.ts";
import { KubeClient } from "../../src/main/kube/client.ts";
import { Credentials } from "../../src/main/kube/credentials.ts";
import { KubeObjects, type Wish } from "../../src/main/kube/objects.ts";
import { PodWriter } from "../../src/main/lifecycle/pod-writer.ts";
import { startTestCluster, type TestCluster } from "../support/cluster.ts";
import { kubeApi, metaOf, type KubeApi } from "../support/kube-api.ts";
import { recordOf } from "../support/results.ts";

let cluster: TestCluster;
before(async () => {
  cluster = await startTestCluster();
});
after(async () => cluster.close());

const wish: Wish = { priority: "finalization", signal: new AbortController().signal };
const record = recordOf("u", { podName: "ws-a" });

async function setup(t: TestContext): Promise<{ readonly api: KubeApi; readonly writer: PodWriter; readonly claim: (name: string) => Promise<string> }> {
  const api = await kubeApi(t, cluster.kubeconfig);
  const client = new KubeClient({ credentials: new Credentials({ kind: "kubeconfig", files: [cluster.kubeconfig] }, systemClock, silentLog), clock: systemClock });
  t.after(() => client.close());
  const objects = new KubeObjects({ client, budget: new Budget({ qps: 1_000, burst: 1_000, clock: systemClock }), namespace: api.namespace, clock: systemClock, random: Math.random });
  // No controller protects claims here.
  const claim = async (name: string): Promise<string> => {
    const made = await api.create("persistentvolumeclaims", { metadata: { name }, spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } } });
    await api.patch(api.path("persistentvolumeclaims", name), { metadata: { finalizers: null } });
    return text(metaOf(made)["uid"]);
  };
  return { api, writer: new PodWriter({ objects, seen: async () => {}, dryRun: false }), claim };
}

test("the claim of a second life, which has the name of the first one's, stays where the first one's is meant", async (t) => {
  const { api, writer, claim } = await setup(t);
  const path = api.path("persistentvolumeclaims", "ws-a");
  const first = await claim("ws-a");
  assert.equal(await writer.claimUid(record, wish), first);
  await writer.deleteClaim(record, wish, first);
  assert.equal((await api.send("GET", path)).code, 404);
  const second = await claim("ws-a");
  await writer.deleteClaim(record, wish, first);
  assert.deepEqual([text(metaOf(await api.get(path))["uid"]), metaOf(await api.get(path))["deletionTimestamp"]], [second, undefined]);
  await writer.deleteClaim(record, wish);
  assert.equal((await api.send("GET", path)).code, 404);
});

test("a claim that is not there has no uid, and nothing to be deleted", async (t) => {
  const { writer } = await setup(t);
  assert.equal(await writer.claimUid(record, wish), undefined);
  await writer.deleteClaim(record, wish);
  await writer.deleteClaim(record, wish, "3f0bd2d0-3a0c-4c3d-9a3e-0d2a0c8f1b1e");
});
