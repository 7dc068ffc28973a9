/** Kubernetes Events on pods, as kubectl describe looks for them. Runs on the built-in cluster and on a real API server. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { systemClock } from "../../src/domain/clock.ts";
import { silentLog } from "../../src/domain/log.ts";
import { eventReasons } from "../../src/domain/names.ts";
import { record, records } from "../../src/embedded/kubelet/json.ts";
import type { Json } from "../../src/embedded/kubelet/json.ts";
import { Budget } from "../../src/main/kube/budget.ts";
import { KubeClient } from "../../src/main/kube/client.ts";
import { Credentials } from "../../src/main/kube/credentials.ts";
import { EventRecorder } from "../../src/main/kube/event-recorder.ts";
import { KubeObjects } from "../../src/main/kube/objects.ts";
import { startTestCluster, type TestCluster } from "../support/cluster.ts";
import { asTable, kubeApi, metaOf, simplePod } from "../support/kube-api.ts";
import { daemonKubeconfig } from "../support/rights.ts";
import { until } from "../support/until.ts";

let cluster: TestCluster;
before(async () => {
  cluster = await startTestCluster();
});
after(async () => cluster.close());

test("Events are found by the pod that they are about, count up, and do not come in between those that the status depends on", async (t) => {
  const api = await kubeApi(t, cluster.kubeconfig);
  const client = new KubeClient({ credentials: new Credentials({ kind: "kubeconfig", files: [await daemonKubeconfig(cluster.kubeconfig, api.namespace)] }, systemClock, silentLog), clock: systemClock });
  const budget = new Budget({ qps: 100, burst: 100, clock: systemClock });
  const objects = new KubeObjects({ client, budget, namespace: api.namespace, clock: systemClock, random: Math.random });
  const outcomes: string[] = [];
  const recorder = new EventRecorder({ enabled: true, objects, namespace: api.namespace, instance: "host_abc", clock: systemClock, random: Math.random, log: silentLog, onOutcome: (outcome) => void outcomes.push(outcome) });
  t.after(async () => {
    await recorder.close(1_000);
    await client.close();
  });
  const uid = String(metaOf(await api.create("pods", simplePod("ws-one")))["uid"]);
  // As kubectl describe asks for them.
  const fieldSelector = `involvedObject.name=ws-one,involvedObject.namespace=${api.namespace},involvedObject.uid=${uid}`;
  const found = async (selector = fieldSelector): Promise<readonly Json[]> => records((await api.get(`${api.path("events")}?${new URLSearchParams({ fieldSelector: selector }).toString()}`))["items"]).filter((event) => event["reportingComponent"] === "ws-manager");
  const event = { podName: "ws-one", uid, type: "Warning", reason: "BackupFailed", message: "no node daemon on node-1" } as const;
  recorder.record(event);
  recorder.record({ ...event, type: "Normal", reason: "Recreated", message: "the node refused it: OutOfcpu" });
  await until("both are there", async () => (await found()).length === 2);
  recorder.record(event);
  await until("it is counted up", async () => (await found(`${fieldSelector},reason=BackupFailed`))[0]?.["count"] === 2);
  const [failed] = await found("reason=BackupFailed,type=Warning");
  assert.deepEqual([failed?.["message"], record(failed?.["source"])["component"], failed?.["reportingInstance"]], ["no node daemon on node-1", "ws-manager", "host_abc"]);
  for (const reason of eventReasons) assert.deepEqual(await found(`involvedObject.kind=Pod,reason=${reason}`), []);
  assert.deepEqual(outcomes, ["written", "written", "written"]);
  const { body } = await api.send("GET", api.path("events"), undefined, { accept: asTable });
  assert.match(JSON.stringify(records(body["rows"]).map((row) => row["cells"])), /"Warning","BackupFailed","pod\/ws-one"/);
});
