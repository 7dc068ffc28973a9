/** Several daemons of one namespace: one acts, and another one when it goes. Runs on the built-in cluster and on a real API server. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { DaemonOptions } from "../../src/main/daemon.ts";
import { startTestCluster, type TestCluster } from "../support/cluster.ts";
import { startTestDaemon } from "../support/daemon.ts";
import { kubeApi } from "../support/kube-api.ts";
import { until } from "../support/until.ts";

let cluster: TestCluster;
before(async () => {
  cluster = await startTestCluster();
});
after(async () => cluster.close());

async function leads(metricsPort: number | undefined): Promise<boolean> {
  const text = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
  return /^wsmand_leader 1$/m.test(text);
}

test("one of two replicas leads; when it ends, the other one does, long before the Lease would have run out", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  const start = (identity: string): ReturnType<typeof startTestDaemon> => {
    const leaderElection: DaemonOptions["leaderElection"] = { enabled: true, leaseDurationMs: 60_000, renewDeadlineMs: 40_000, retryPeriodMs: 2_000, identity };
    return startTestDaemon(cluster.kubeconfig, { namespace: api.namespace, lifecycle: true, leaderElection, drainTimeoutMs: 20_000 });
  };
  const [first, second] = await Promise.all([start("one"), start("two")]);
  t.after(async () => Promise.all([first.close(), second.close()]));
  await Promise.all([first.synced, second.synced]);
  const both = async (): Promise<readonly boolean[]> => Promise.all([leads(first.metricsPort), leads(second.metricsPort)]);
  await until("one leads", async () => (await both()).includes(true));
  const [isFirst] = await both();
  assert.deepEqual(await both(), [isFirst, !isFirst]);
  const [leader, follower] = isFirst ? [first, second] : [second, first];
  const from = performance.now();
  const ending = leader.close();
  await until("the other one leads", () => leads(follower.metricsPort));
  const took = performance.now() - from;
  await ending;
  // A look of the follower within the period, and whatever a busy machine takes beside.
  assert.ok(took < 40_000, `it took ${Math.round(took)} ms`);
});

test("a daemon that was told not to act holds no Lease", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  const daemon = await startTestDaemon(cluster.kubeconfig, { namespace: api.namespace });
  t.after(() => daemon.close());
  await daemon.synced;
  assert.equal((await api.send("GET", `/apis/coordination.k8s.io/v1/namespaces/${api.namespace}/leases/ws-manager-leader.gitpod.io`)).code, 404);
});
