/** The built-in scheduler: where pods go, what a pod that fits nowhere is told, and when it is tried again. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { record, text } from "../../../../src/embedded/kubelet/json.ts";
import { clusterLife } from "../../../support/cluster-life.ts";
import type { ClusterLife } from "../../../support/cluster-life.ts";

const nodeOf = (life: ClusterLife, name: string): string => text(record(life.pod(name)["spec"])["nodeName"]);
const asking = (cpu: string, memory = "1Gi"): object => ({ containers: [{ name: "workspace", image: "i", resources: { requests: { cpu, memory } } }] });

test("a pod is bound to a node with room, with condition and Event", () => {
  const life = clusterLife();
  const name = life.add("a");
  life.clock.advance(1);
  assert.equal(nodeOf(life, name), "node-1");
  assert.equal(life.condition(name, "PodScheduled")["status"], "True");
  const event = life.store.list("events")[0];
  assert.equal(event?.["message"], `Successfully assigned default/${name} to node-1`);
  assert.deepEqual(record(event?.["involvedObject"])["uid"], life.pod(name).metadata.uid);
});

test("a pod of another scheduler is left alone, unless the scheduler goes by that name, too", () => {
  const life = clusterLife({ schedulerNames: ["default-scheduler", "workspace-scheduler"] });
  const [other, own, nobody] = ["another-scheduler", "workspace-scheduler", ""].map((schedulerName, i) => life.add(`w${i}`, { spec: { schedulerName } }));
  const before = life.pod(other ?? "");
  life.clock.advance(60_000);
  assert.deepEqual(life.pod(other ?? ""), before);
  assert.deepEqual([nodeOf(life, own ?? ""), nodeOf(life, nobody ?? "")].map((node) => node !== ""), [true, true]);
  assert.ok(life.store.list("events").some((event) => event["reason"] === "Scheduled" && record(event["source"])["component"] === "workspace-scheduler"));
  assert.deepEqual(life.errors, []);
});

test("pods are spread over the nodes", () => {
  const life = clusterLife({ nodes: 2 });
  const names = ["a", "b", "c", "d"].map((id) => life.add(id));
  life.clock.advance(1);
  assert.deepEqual(names.map((name) => nodeOf(life, name)).sort(), ["node-1", "node-1", "node-2", "node-2"]);
});

test("a pod without room is told so as the real scheduler does, and bound once another pod is gone", () => {
  const life = clusterLife({ nodes: [{ name: "n1", cpu: "2" }] });
  const first = life.add("a", { spec: asking("1500m") });
  life.clock.advance(1);
  const second = life.add("b", { spec: asking("1") });
  life.clock.advance(1);
  assert.equal(nodeOf(life, second), "");
  assert.equal(life.condition(second, "PodScheduled")["status"], "False");
  assert.equal(life.condition(second, "PodScheduled")["reason"], "Unschedulable");
  const message = "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.";
  assert.equal(life.condition(second, "PodScheduled")["message"], message);
  assert.deepEqual(life.reasons(second), ["FailedScheduling"]);
  life.store.update("pods", "default", first, (draft) => { draft["metadata"] = { ...record(draft["metadata"]), finalizers: [] }; });
  life.store.delete("pods", "default", first, { gracePeriodSeconds: 0 });
  life.clock.advance(1);
  assert.equal(nodeOf(life, second), "n1");
  assert.equal(life.condition(second, "PodScheduled")["status"], "True");
  assert.equal(life.condition(second, "PodScheduled")["reason"], undefined);
});

test("a pod that ended gives back its room", () => {
  const life = clusterLife({ nodes: [{ name: "n1", cpu: "1" }] });
  const first = life.add("a", { spec: asking("1"), fault: "crash:0@1s" });
  life.clock.advance(1);
  const second = life.add("b", { spec: asking("1") });
  life.clock.advance(1000);
  assert.equal(nodeOf(life, second), "");
  life.clock.advance(10_000);
  assert.equal(life.status(first)["phase"], "Succeeded");
  assert.equal(nodeOf(life, second), "n1");
});

test("nodes are left out by number of pods, labels, taints, cordon and readiness", () => {
  const life = clusterLife({ nodes: [{ name: "n1", pods: 1 }] });
  const node = (change: (draft: Record<string, unknown>) => void): unknown => life.store.update("nodes", "", "n1", change);
  const why = (id: string): string => {
    const name = life.add(id);
    life.clock.advance(1);
    const message = text(life.condition(name, "PodScheduled")["message"]);
    life.store.delete("pods", "default", name);
    life.store.update("pods", "default", name, (draft) => { draft["metadata"] = { ...record(draft["metadata"]), finalizers: [] }; });
    return message.replace(/\. preemption.*/, "");
  };
  life.add("full");
  life.clock.advance(1);
  assert.equal(why("a"), "0/1 nodes are available: 1 Too many pods");
  node((draft) => { draft["spec"] = { ...record(draft["spec"]), unschedulable: true }; });
  assert.equal(why("b"), "0/1 nodes are available: 1 node(s) were unschedulable");
  node((draft) => { draft["spec"] = { taints: [{ key: "k", value: "v", effect: "NoSchedule" }] }; });
  assert.equal(why("c"), "0/1 nodes are available: 1 node(s) had untolerated taint {k: v}");
  node((draft) => { draft["spec"] = {}; draft["metadata"] = { ...record(draft["metadata"]), labels: { "gitpod.io/workload_workspace_headless": "true" } }; });
  assert.equal(why("d"), "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector");
  node((draft) => { draft["status"] = { ...record(draft["status"]), conditions: [{ type: "Ready", status: "Unknown" }] }; });
  assert.equal(why("e"), "0/1 nodes are available: 1 node(s) were not ready");
  life.store.delete("nodes", "", "n1");
  assert.equal(why("f"), "no nodes available to schedule pods");
});

test("headless workspaces go to nodes for headless workspaces", () => {
  const life = clusterLife({ nodes: [{ name: "n1" }] });
  life.store.update("nodes", "", "n1", (draft) => {
    const metadata = record(draft["metadata"]);
    draft["metadata"] = { ...metadata, labels: { ...record(metadata["labels"]), "gitpod.io/workload_workspace_headless": undefined } };
  });
  const [regular, prebuild] = [life.add("a"), life.add("b", { type: "prebuild" })];
  life.clock.advance(1);
  assert.equal(nodeOf(life, regular), "n1");
  assert.equal(nodeOf(life, prebuild), "");
});

test("thousands of waiting pods cost one try per room that appears, and all are bound once there is a node", () => {
  const life = clusterLife({ nodes: 0 });
  const names = Array.from({ length: 3000 }, (_, i) => life.add(`w${i}`, { size: 0 }));
  life.clock.advance(10);
  const before = life.store.resourceVersion;
  life.store.create("nodes", { apiVersion: "v1", kind: "Node", metadata: { name: "small", labels: {} }, spec: {}, status: { conditions: [{ type: "Ready", status: "True" }], allocatable: { cpu: "1", pods: "1" } } }, "");
  life.clock.advance(10);
  assert.ok(life.store.resourceVersion - before < 10, `${life.store.resourceVersion - before} writes for a node that suits none`);
  life.store.create("nodes", {
    apiVersion: "v1", kind: "Node", spec: {},
    metadata: { name: "huge", labels: { "gitpod.io/workload_workspace_regular": "true", "gitpod.io/ws-daemon_ready_ns_default": "true", "gitpod.io/registry-facade_ready_ns_default": "true" } },
    status: { conditions: [{ type: "Ready", status: "True" }], allocatable: { cpu: "9000", memory: "100Ti", "ephemeral-storage": "1Pi", pods: "9000" } },
  }, "");
  life.clock.advance(100);
  assert.equal(names.filter((name) => nodeOf(life, name) === "huge").length, 3000);
  assert.deepEqual(life.errors, []);
});

test("pods beyond the bound on waiting pods are found again later", () => {
  const life = clusterLife({ nodes: [{ name: "n1", cpu: "500", memory: "2Ti", pods: 500 }], maxWaiting: 5 });
  const names = Array.from({ length: 40 }, (_, i) => life.add(`w${i}`));
  life.clock.advance(50);
  assert.equal(names.filter((name) => nodeOf(life, name) === "n1").length, 40);
});

test("a pod of hostile shape is left alone and disturbs no other", () => {
  const life = clusterLife();
  for (const [i, spec] of [null, 7, { containers: "x" }, { containers: [null, 5, { name: 7 }], affinity: [], tolerations: {} }, { nodeSelector: { __proto__x: 1, constructor: "y" } }].entries()) {
    life.store.create("pods", { apiVersion: "v1", kind: "Pod", metadata: { name: `odd-${i}` }, spec }, "default");
  }
  const name = life.add("a");
  life.clock.advance(60_000);
  assert.equal(life.status(name)["phase"], "Running");
  assert.deepEqual(life.errors, []);
});
