/** Listening to the metrics: they are told the same, and what was slow, who leads and what the watches do is known beside them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { wsman } from "../../../src/gen/proto.js";
import { overhear } from "../../../src/metrics/overheard.ts";
import { createMetrics } from "../../../src/metrics/registry.ts";
import { SlowOperations } from "../../../src/metrics/slow-operations.ts";
import { FakeClock } from "../../support/fake-clock.ts";

const { REGULAR } = wsman.WorkspaceType;

function setup() {
  const clock = new FakeClock();
  const slow = new SlowOperations(() => clock.now());
  const plain = createMetrics({ process: false });
  return { plain, slow, heard: overhear(plain, slow) };
}

test("metrics that are listened to say what they would say without it", async () => {
  const { plain, heard } = setup();
  const alone = createMetrics({ process: false });
  for (const metrics of [alone, heard.metrics]) {
    metrics.rpc.method("unary", "wsman.WorkspaceManager", "StopWorkspace").handled(0, 3);
    metrics.rpc.method("server_stream", "wsman.WorkspaceManager", "Subscribe").handled(0, 300);
    metrics.rpcClient.method("unary", "wsdaemon.WorkspaceContentService", "InitWorkspace").handled(0, 30);
    metrics.workspaces.started(REGULAR, "default", 40, "w1");
    metrics.lifecycle.initialized({ id: "w1", type: REGULAR, workspaceClass: "default" }, 20);
    metrics.lifecycle.finalized({ id: "w1", type: REGULAR, workspaceClass: "default" }, 20);
    metrics.lifecycle.volumeSnapshot({ id: "w1", type: REGULAR, workspaceClass: "default" }, 20);
    metrics.lifecycle.volumeRestored({ id: "w1", type: REGULAR, workspaceClass: "default" }, 20);
    metrics.pipeline.eventToPublish(2);
    metrics.pipeline.batch(3, 200_000);
    metrics.kube.request("get", "pods", 200, 3);
    metrics.kube.throttled("patch", "pods", 3);
    metrics.kube.listed("pods", 3, 1_700_000_000_000);
    metrics.kube.lastEventAge("pods", () => 7);
    metrics.leader(false);
  }
  assert.equal(await plain.render(), await alone.render());
});

test("what was slow is known, with the workspace where there is one; streams are not", () => {
  const { slow, heard: { metrics } } = setup();
  const of = { id: "w1", type: REGULAR, workspaceClass: "large" };
  metrics.rpc.method("unary", "wsman.WorkspaceManager", "StopWorkspace").handled(0, 3);
  metrics.rpc.method("unary", "wsman.WorkspaceManager", "StopWorkspace").handled(0, 0.001);
  metrics.rpc.method("server_stream", "wsman.WorkspaceManager", "Subscribe").handled(0, 300);
  metrics.rpcClient.method("unary", "wsdaemon.WorkspaceContentService", "InitWorkspace").handled(0, 30);
  metrics.workspaces.started(REGULAR, "large", 40, "w1");
  metrics.lifecycle.initialized(of, 20);
  metrics.lifecycle.finalized(of, 21);
  metrics.lifecycle.volumeSnapshot(of, 22);
  metrics.lifecycle.volumeRestored(of, 23);
  metrics.pipeline.eventToPublish(2);
  metrics.pipeline.batch(1, 200_000);
  metrics.kube.request("patch", "pods", 409, 3);
  metrics.kube.throttled("patch", "pods", 4);
  metrics.kube.listed("pods", 5, 1_700_000_000_000);
  assert.deepEqual(slow.all().map(({ kind, what, seconds, workspace }) => [kind, what, seconds, workspace]), [
    ["start", "REGULAR, class large", 40, "w1"],
    ["initialization", "REGULAR, class large", 20, "w1"],
    ["finalization", "REGULAR, class large", 21, "w1"],
    ["volume snapshot", "REGULAR, class large", 22, "w1"],
    ["volume restore", "REGULAR, class large", 23, "w1"],
    ["call", "wsman.WorkspaceManager/StopWorkspace", 3, undefined],
    ["call of ours", "wsdaemon.WorkspaceContentService/InitWorkspace", 30, undefined],
    ["API request", "patch pods: 409", 3, undefined],
    ["API budget", "patch pods", 4, undefined],
    ["list", "pods", 5, undefined],
    ["publication", "a change of a pod", 2, undefined],
    ["batch", "1 line", 0.2, undefined],
  ]);
});

test("a method has one recorder, however often it is asked for", () => {
  const { heard: { metrics } } = setup();
  const recorder = () => metrics.rpc.method("unary", "wsman.WorkspaceManager", "StopWorkspace");
  assert.equal(recorder(), recorder());
});

test("who leads, how old the watches are and how busy the workers were is known when it is asked", () => {
  const { heard } = setup();
  assert.equal(heard.leads(), true, "as the metric has it where there is no election");
  let leads = true;
  heard.metrics.leader(() => leads);
  leads = false;
  assert.equal(heard.leads(), false);
  heard.metrics.leader(true);
  assert.equal(heard.leads(), true);
  const age: { seconds?: number } = {};
  heard.metrics.kube.lastEventAge("pods", () => age.seconds);
  assert.deepEqual(heard.watchAges(), [["pods", undefined]]);
  age.seconds = 3;
  assert.deepEqual(heard.watchAges(), [["pods", 3]]);
  heard.metrics.pipeline.batch(2, 40);
  heard.metrics.pipeline.batch(2, 2);
  assert.equal(heard.busyMicros(), 42);
});
