/** Before it has its rights a daemon does not lead, says so, and tries on; what it needs each of them for: rights-needed.test.ts. Needs RBAC, and so a real API server. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { systemClock } from "../../src/domain/clock.ts";
import { silentLog } from "../../src/domain/log.ts";
import { record } from "../../src/embedded/kubelet/json.ts";
import { Budget } from "../../src/main/kube/budget.ts";
import { KubeClient, type Requester } from "../../src/main/kube/client.ts";
import { Credentials } from "../../src/main/kube/credentials.ts";
import { EventRecorder, type EventOutcome } from "../../src/main/kube/event-recorder.ts";
import { KubeObjects } from "../../src/main/kube/objects.ts";
import { Leader } from "../../src/main/lifecycle/leader.ts";
import { leaseName } from "../../src/main/lifecycle/lease.ts";
import { onRealCluster, startTestCluster, type TestCluster, unlessReal } from "../support/cluster.ts";
import { kubeApi, metaOf, simplePod } from "../support/kube-api.ts";
import { chartRights } from "../support/rights.ts";
import { until } from "../support/until.ts";
import { RecordingLog } from "../unit/kube/helpers.ts";

let cluster: TestCluster;
before(async () => {
  if (onRealCluster) cluster = await startTestCluster();
});
after(async () => {
  if (onRealCluster) await cluster.close();
});

test("a service account with the rights that the chart gives can lead and write Events; before it has them it says so, and tries on", { skip: unlessReal }, async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  const client = new KubeClient({ credentials: new Credentials({ kind: "kubeconfig", files: [cluster.kubeconfig] }, systemClock, silentLog), clock: systemClock });
  const user = `system:serviceaccount:${api.namespace}:wsmand`;
  const limited: Requester = { request: (request) => client.request({ ...request, headers: { ...request.headers, "impersonate-user": user } }) };
  const log = new RecordingLog();
  const leaving = new AbortController();
  const leader = new Leader({
    enabled: true, leaseDurationMs: 3_000, renewDeadlineMs: 2_000, retryPeriodMs: 200, drainMs: 1_000,
    identity: "one", client: limited, namespace: api.namespace, clock: systemClock, random: Math.random, log,
    hooks: { onStarted: () => {}, onStopped: () => {} },
  });
  const running = leader.run(leaving.signal);
  const outcomes: EventOutcome[] = [];
  const objects = new KubeObjects({ client: limited, budget: new Budget({ qps: 100, burst: 100, clock: systemClock }), namespace: api.namespace, clock: systemClock, random: Math.random });
  const recorder = new EventRecorder({ enabled: true, objects, namespace: api.namespace, instance: "one", clock: systemClock, random: Math.random, log: silentLog, onOutcome: (outcome) => void outcomes.push(outcome) });
  t.after(async () => {
    leaving.abort();
    await running;
    await recorder.close(1_000);
    await client.close();
  });
  await until("it is told that it may not", () => log.entries.some(({ fields }) => "status" in fields && fields.status === 403));
  assert.equal(leader.leads(), false);

  const rbac = `/apis/rbac.authorization.k8s.io/v1/namespaces/${api.namespace}`;
  await api.ok("POST", `${rbac}/roles`, { metadata: { name: "wsmand" }, rules: (await chartRights()).namespace });
  await api.ok("POST", `${rbac}/rolebindings`, {
    metadata: { name: "wsmand" },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: "wsmand" },
    subjects: [{ kind: "ServiceAccount", name: "wsmand", namespace: api.namespace }],
  });
  await until("it leads", () => leader.leads());
  const renewed = async (): Promise<unknown> => record((await api.get(api.path("leases", leaseName)))["spec"])["renewTime"];
  const first = await renewed();
  await until("it may renew its Lease, too", async () => (await renewed()) !== first);
  assert.equal(leader.leads(), true);
  const uid = String(metaOf(await api.create("pods", simplePod("ws-one")))["uid"]);
  for (const count of [1, 2]) {
    recorder.record({ podName: "ws-one", uid, type: "Normal", reason: "Started", message: "it runs" });
    await until("it is written", () => outcomes.length === count);
  }
  assert.deepEqual(outcomes, ["written", "written"]);
});
