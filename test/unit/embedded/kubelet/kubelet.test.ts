/** The built-in kubelet: a pod's phases, its end, faults, lost nodes and Events. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { record, records } from "../../../../src/embedded/kubelet/json.ts";
import { clusterLife } from "../../../support/cluster-life.ts";
import type { ClusterLife } from "../../../support/cluster-life.ts";
import { podIn } from "../../../support/pods.ts";

/** With the fixed timings: bound at 0, accepted at 100, pulled at 2100, started at 2400, ready at 5400. */
const [accepted, started, isReady] = [150, 2450, 5450];

const withoutFinalizer = (life: ClusterLife, name: string): unknown =>
  life.store.update("pods", "default", name, (draft) => { draft["metadata"] = { ...record(draft["metadata"]), finalizers: [] }; });
const exitOf = (container: Readonly<Record<string, unknown>>, where = "state"): Readonly<Record<string, unknown>> => record(record(container[where])["terminated"]);

test("a pod goes through its phases with the status and Events of a real kubelet", () => {
  const life = clusterLife();
  const name = life.add("a");
  life.clock.advance(accepted);
  assert.equal(life.status(name)["phase"], "Pending");
  assert.equal(record(record(life.container(name)["state"])["waiting"])["reason"], "ContainerCreating");
  assert.equal(life.condition(name, "Initialized")["status"], "True");
  assert.equal(life.condition(name, "Ready")["reason"], "ContainersNotReady");
  assert.equal(life.status(name)["hostIP"], "10.128.0.2");
  assert.equal(life.status(name)["podIP"], undefined);
  assert.equal(life.status(name)["startTime"], "2024-01-01T00:00:00Z");
  life.clock.advance(started - accepted);
  assert.equal(life.status(name)["phase"], "Running");
  assert.equal(life.container(name)["started"], true);
  assert.equal(life.container(name)["ready"], false);
  assert.match(String(life.container(name)["containerID"]), /^containerd:\/\/[0-9a-f]{64}$/);
  assert.match(String(life.status(name)["podIP"]), /^10\.64\.\d+\.\d+$/);
  assert.equal(life.status(name)["qosClass"], "Burstable");
  life.clock.advance(isReady - started);
  assert.equal(life.container(name)["ready"], true);
  for (const type of ["Ready", "ContainersReady", "PodScheduled", "Initialized"]) assert.equal(life.condition(name, type)["status"], "True", type);
  assert.deepEqual(life.reasons(name), ["Scheduled", "Pulling", "Pulled", "Created", "Started"]);
  const pulling = life.store.list("events").find((event) => event["reason"] === "Pulling");
  assert.equal(record(pulling?.["involvedObject"])["fieldPath"], "spec.containers{workspace}");
  assert.deepEqual(pulling?.["source"], { component: "kubelet", host: "node-1" });
  assert.deepEqual(life.errors, []);
});

test("the time of a condition's transition stays while its status stays", () => {
  const life = clusterLife();
  const name = life.add("a");
  life.clock.advance(60_000);
  assert.equal(life.condition(name, "Initialized")["lastTransitionTime"], "2024-01-01T00:00:00Z");
  assert.equal(life.condition(name, "Ready")["lastTransitionTime"], "2024-01-01T00:00:05Z");
});

test("speed divides all delays", () => {
  const life = clusterLife({ speed: 10 });
  const name = life.add("a");
  life.clock.advance(isReady / 10);
  assert.equal(life.container(name)["ready"], true);
});

test("a deleted pod ends its container, then is deleted for good; a finalizer keeps the object", () => {
  const life = clusterLife();
  const name = life.add("a");
  life.clock.advance(isReady);
  life.store.delete("pods", "default", name);
  life.clock.advance(1000);
  assert.equal(life.status(name)["phase"], "Running");
  assert.ok(life.reasons(name).includes("Killing"));
  life.clock.advance(600);
  assert.equal(exitOf(life.container(name))["exitCode"], 0);
  assert.equal(life.status(name)["phase"], "Succeeded");
  assert.equal(life.pod(name).metadata.deletionGracePeriodSeconds, 0);
  const writes = life.store.resourceVersion;
  life.clock.advance(600_000);
  assert.equal(life.store.resourceVersion, writes, "nothing more is written");
  withoutFinalizer(life, name);
  assert.equal(life.store.get("pods", "default", name), undefined);
});

test("without a finalizer the object goes when the container has ended", () => {
  const life = clusterLife();
  const name = life.add("a");
  life.clock.advance(isReady);
  withoutFinalizer(life, name);
  life.store.delete("pods", "default", name);
  life.clock.advance(1000);
  assert.ok(life.store.get("pods", "default", name));
  life.clock.advance(1000);
  assert.equal(life.store.get("pods", "default", name), undefined);
});

test("a container that ignores SIGTERM is killed at the end of the grace period, and a second delete shortens it", () => {
  const life = clusterLife();
  const [a, b, c] = [life.add("a", { fault: "ignore-term" }), life.add("b", { fault: "ignore-term" }), life.add("c", { fault: "term:143" })];
  life.clock.advance(isReady);
  for (const name of [a, b, c]) life.store.delete("pods", "default", name);
  life.clock.advance(5000);
  assert.equal(exitOf(life.container(c))["exitCode"], 143);
  life.store.delete("pods", "default", b, { gracePeriodSeconds: 1 });
  life.clock.advance(1100);
  assert.equal(exitOf(life.container(b))["exitCode"], 137);
  assert.equal(life.container(a)["ready"], true);
  life.clock.advance(24_000);
  assert.equal(exitOf(life.container(a))["exitCode"], 137);
  assert.equal(life.status(a)["phase"], "Failed");
});

test("a pod deleted before its container started ends with a container that could not be located", () => {
  const life = clusterLife();
  const name = life.add("a");
  life.clock.advance(accepted);
  life.store.delete("pods", "default", name);
  life.clock.advance(100);
  assert.equal(exitOf(life.container(name))["reason"], "ContainerStatusUnknown");
  assert.equal(life.pod(name).metadata.deletionGracePeriodSeconds, 0);
});

test("image-pull: ErrImagePull, then ImagePullBackOff, and again; a counted failure heals", () => {
  const life = clusterLife();
  const [forever, once] = [life.add("a", { fault: "image-pull" }), life.add("b", { fault: "image-pull:1" })];
  life.clock.advance(1200);
  assert.equal(record(record(life.container(forever)["state"])["waiting"])["reason"], "ErrImagePull");
  life.clock.advance(2000);
  assert.equal(record(record(life.container(forever)["state"])["waiting"])["reason"], "ImagePullBackOff");
  life.clock.advance(60_000);
  assert.equal(life.status(once)["phase"], "Running");
  life.clock.advance(1_800_000);
  assert.equal(life.status(forever)["phase"], "Pending");
  assert.deepEqual([...new Set(life.reasons(forever))].sort(), ["BackOff", "Failed", "Pulling", "Scheduled"]);
  assert.ok(life.reasons(forever).length < 8, "repeated events are counted up, not added");
});

test("failed-mount: Events FailedMount, for good or for a time; slow-start: later", () => {
  const life = clusterLife();
  const [forever, briefly, slow] = [life.add("a", { fault: "failed-mount" }), life.add("b", { fault: "failed-mount:3s" }), life.add("c", { fault: "slow-start:60s" })];
  life.clock.advance(20_000);
  assert.deepEqual(life.reasons(forever), ["Scheduled", "FailedMount"]);
  assert.equal(life.status(forever)["phase"], "Pending");
  assert.equal(life.status(briefly)["phase"], "Running");
  assert.ok(life.reasons(briefly).includes("FailedMount"));
  const mount = life.store.list("events").find((event) => event["reason"] === "FailedMount");
  assert.match(String(mount?.["message"]), /vol-this-workspace/);
  assert.equal(life.status(slow)["phase"], "Pending");
  life.clock.advance(50_000);
  assert.equal(life.status(slow)["phase"], "Running");
});

for (const { fault, phase, exit } of [
  { fault: "crash:7", phase: "Failed", exit: { exitCode: 7, reason: "Error" } },
  { fault: "crash:0@30s", phase: "Succeeded", exit: { exitCode: 0, reason: "Completed" } },
  { fault: "oom", phase: "Failed", exit: { exitCode: 137, reason: "OOMKilled" } },
  { fault: "never-ready, container-error:no content, none at all", phase: "Failed", exit: { exitCode: 1, reason: "Error", message: "no content, none at all" } },
  { fault: "evict", phase: "Failed", exit: { exitCode: 137, reason: "Error" } },
]) {
  test(`${fault}: the container ends as a pod that never restarts does`, () => {
    const life = clusterLife();
    const name = life.add("a", { fault });
    life.clock.advance(60_000);
    assert.equal(life.status(name)["phase"], phase);
    const terminated = exitOf(life.container(name));
    assert.deepEqual({ exitCode: terminated["exitCode"], reason: terminated["reason"], ...("message" in terminated ? { message: terminated["message"] } : {}) }, exit);
    assert.equal(life.condition(name, "Ready")["reason"], phase === "Failed" ? "PodFailed" : "PodCompleted");
    if (fault === "evict") assert.equal(life.status(name)["reason"], "Evicted");
  });
}

test("a pod that is evicted while it is being deleted goes all the same", () => {
  const life = clusterLife();
  const name = life.add("a", { fault: "ignore-term" });
  life.clock.advance(isReady);
  withoutFinalizer(life, name);
  life.store.delete("pods", "default", name, { gracePeriodSeconds: 600 });
  life.clock.advance(1000);
  life.kubelet.evict(name);
  life.clock.advance(1000);
  assert.equal(life.store.get("pods", "default", name), undefined);
});

test("interrupt: exit 255 while the pod stays Running, then a restart that becomes ready", () => {
  const life = clusterLife();
  const name = life.add("a", { fault: "interrupt:5s@10s" });
  life.clock.advance(2400 + 10_050);
  assert.equal(life.status(name)["phase"], "Running");
  assert.equal(exitOf(life.container(name))["exitCode"], 255);
  life.clock.advance(5000);
  assert.equal(life.container(name)["restartCount"], 1);
  assert.equal(life.container(name)["ready"], false);
  assert.equal(exitOf(life.container(name), "lastState")["exitCode"], 255);
  life.clock.advance(5000);
  assert.equal(life.container(name)["ready"], true);
  assert.equal(life.status(name)["phase"], "Running");
});

test("network-not-ready: an interruption with the Event", () => {
  const life = clusterLife();
  const name = life.add("a", { fault: "network-not-ready@10s" });
  life.clock.advance(13_000);
  assert.ok(life.reasons(name).includes("NetworkNotReady"));
  assert.equal(exitOf(life.container(name))["exitCode"], 255);
});

test("never-ready: the container runs, and is not ready", () => {
  const life = clusterLife();
  const name = life.add("a", { fault: "never-ready" });
  life.clock.advance(600_000);
  assert.equal(life.status(name)["phase"], "Running");
  assert.equal(life.container(name)["ready"], false);
});

test("admission-reject: the pod fails before it ever ran; so does one that is bound to a full node", () => {
  const life = clusterLife({ nodes: [{ name: "n1", cpu: "1" }] });
  const refused = life.add("a", { fault: "admission-reject:OutOfcpu" });
  life.clock.advance(1000);
  assert.equal(life.status(refused)["phase"], "Failed");
  assert.equal(life.status(refused)["reason"], "OutOfcpu");
  assert.equal(life.status(refused)["containerStatuses"], undefined);
  const big = { containers: [{ name: "workspace", image: "i", resources: { requests: { cpu: "3" } } }], nodeName: "n1" };
  const full = life.add("b", { spec: big });
  life.clock.advance(1000);
  assert.equal(life.status(full)["reason"], "OutOfcpu");
  assert.equal(life.status(full)["message"], "Pod was rejected: Node didn't have enough resource: cpu, requested: 3000, used: 0, capacity: 1000");
});

test("restartPolicy: Always restarts with back-off, OnFailure only after a failure", () => {
  const life = clusterLife();
  const always = life.add("a", { spec: { restartPolicy: "Always" } });
  const onFailure = life.add("b", { spec: { restartPolicy: "OnFailure" } });
  life.clock.advance(10_000);
  for (const code of [1, 0]) {
    life.kubelet.crash(always, code);
    life.clock.advance(3000);
  }
  life.kubelet.crash(onFailure, 0);
  life.clock.advance(1000);
  assert.equal(life.status(onFailure)["phase"], "Succeeded");
  assert.equal(life.status(always)["phase"], "Running");
  assert.equal(record(record(life.container(always)["state"])["waiting"])["reason"], "CrashLoopBackOff");
  assert.ok(life.reasons(always).includes("BackOff"));
  life.clock.advance(20_000);
  assert.equal(life.container(always)["restartCount"], 2);
  assert.equal(life.container(always)["ready"], true);
});

test("faults can be asked for at any time, by call or annotation; unknown ones are refused", () => {
  const life = clusterLife();
  const [a, b, c] = [life.add("a"), life.add("b"), life.add("c")];
  life.clock.advance(isReady);
  life.kubelet.fault(a, "crash:3");
  life.kubelet.oom(b);
  life.store.update("pods", "default", c, (draft) => {
    const metadata = record(draft["metadata"]);
    draft["metadata"] = { ...metadata, annotations: { ...record(metadata["annotations"]), "embedded.wsmand.dev/fault": "nonsense, evict" } };
  });
  life.clock.advance(1);
  assert.equal(exitOf(life.container(a))["exitCode"], 3);
  assert.equal(exitOf(life.container(b))["reason"], "OOMKilled");
  assert.equal(life.status(c)["reason"], "Evicted");
  assert.throws(() => life.kubelet.fault(a, "constructor"), /no such fault: constructor/);
  assert.throws(() => life.kubelet.fault("nobody", "oom"), /no pod nobody/);
  assert.throws(() => life.kubelet.loseNode("nowhere"), /no such node/);
});

test("lost: nothing more is heard of the pod, not even when it is deleted; for a time if one is given", () => {
  const life = clusterLife();
  const [gone, back] = [life.add("a", { fault: "lost@10s" }), life.add("b", { fault: "lost:60s@10s" })];
  life.clock.advance(20_000);
  for (const name of [gone, back]) life.store.delete("pods", "default", name);
  life.clock.advance(30_000);
  assert.equal(life.container(back)["ready"], true);
  life.clock.advance(60_000);
  assert.equal(exitOf(life.container(back))["exitCode"], 0);
  assert.equal(life.container(gone)["ready"], true);
  withoutFinalizer(life, gone);
  life.store.delete("pods", "default", gone, { gracePeriodSeconds: 0 });
  assert.equal(life.store.get("pods", "default", gone), undefined);
});

test("a lost node: Unknown and tainted, its pods stand still and are marked for deletion; on return they end", () => {
  const life = clusterLife({ nodes: 1 });
  const [running, creating] = [life.add("a"), life.add("b", { fault: "slow-start:30s" })];
  life.clock.advance(isReady);
  life.kubelet.loseNode("node-1");
  const node = record(life.store.get("nodes", "", "node-1"));
  assert.equal(records(record(node["status"])["conditions"]).find((condition) => condition["type"] === "Ready")?.["status"], "Unknown");
  assert.equal(life.condition(running, "Ready")["status"], "False");
  const late = life.add("c");
  life.clock.advance(120_000);
  assert.match(String(life.condition(late, "PodScheduled")["message"]), /untolerated taint/);
  assert.equal(life.status(creating)["phase"], "Pending");
  assert.equal(life.pod(running).metadata.deletionTimestamp, undefined);
  life.clock.advance(300_000);
  assert.ok(life.pod(running).metadata.deletionTimestamp);
  assert.equal(record(record(life.container(running))["state"])["terminated"], undefined);
  life.kubelet.returnNode("node-1");
  life.clock.advance(60_000);
  assert.equal(exitOf(life.container(running))["exitCode"], 0);
  assert.equal(life.status(late)["phase"], "Running");
});

test("a fault that does not exist is told in an Event", () => {
  const life = clusterLife();
  const name = life.add("a", { fault: "explode,crash:3@1s" });
  life.clock.advance(10_000);
  const event = life.store.list("events").find(({ reason }) => reason === "UnknownFault");
  assert.equal(event?.["message"], "there is no such fault: explode");
  assert.equal(exitOf(life.container(name))["exitCode"], 3);
});

test("a node is lost, and comes back, as its annotation says", () => {
  const life = clusterLife({ nodes: 1 });
  const ready = (): unknown => records(record(record(life.store.get("nodes", "", "node-1"))["status"])["conditions"]).find((condition) => condition["type"] === "Ready")?.["status"];
  const ask = (fault: string | undefined): unknown => life.store.update("nodes", "", "node-1", (draft) => { draft["metadata"] = { ...record(draft["metadata"]), annotations: { "embedded.wsmand.dev/fault": fault } }; });
  ask("lost");
  life.clock.advance(100);
  assert.equal(ready(), "Unknown");
  ask(undefined);
  life.clock.advance(100);
  assert.equal(ready(), "True");
  ask("lost");
  life.store.delete("nodes", "", "node-1");
  life.clock.advance(100);
  assert.equal(life.errors.length, 1, "a node that is gone can not be lost");
});

test("a claim gets its volume, and stays until no pod uses it any more", () => {
  const life = clusterLife();
  life.store.create("persistentvolumeclaims", { metadata: { name: "claim", finalizers: ["kubernetes.io/pvc-protection"] }, spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } }, status: { phase: "Pending" } }, "default");
  const claim = (): Readonly<Record<string, unknown>> | undefined => life.store.get("persistentvolumeclaims", "default", "claim");
  assert.deepEqual(record(claim())["status"], { phase: "Bound", accessModes: ["ReadWriteOnce"], capacity: { storage: "1Gi" } });
  const pod = life.add("a", { spec: { volumes: [{ name: "v", persistentVolumeClaim: { claimName: "claim" } }] } });
  life.clock.advance(isReady);
  life.store.delete("persistentvolumeclaims", "default", "claim");
  assert.ok(claim());
  withoutFinalizer(life, pod);
  life.store.delete("pods", "default", pod);
  life.clock.advance(60_000);
  assert.equal(claim(), undefined);
  assert.deepEqual(life.errors, []);
});

test("a node that comes back in time: its pods go on and are ready again", () => {
  const life = clusterLife({ nodes: 1 });
  const [running, creating] = [life.add("a"), life.add("b", { fault: "slow-start:30s" })];
  life.clock.advance(isReady);
  life.kubelet.loseNode("node-1");
  life.clock.advance(60_000);
  life.kubelet.returnNode("node-1");
  life.clock.advance(10_000);
  assert.equal(life.condition(running, "Ready")["status"], "True");
  assert.equal(life.status(creating)["phase"], "Running");
  life.clock.advance(600_000);
  assert.equal(life.pod(running).metadata.deletionTimestamp, undefined);
});

test("a running pod that was there before is taken over as it stands", () => {
  const life = clusterLife();
  life.kubelet.close();
  const pod = podIn("running", "old");
  life.store.create("pods", pod, "default");
  const writes = life.store.resourceVersion;
  const next = clusterLife();
  next.store.create("pods", pod, "default");
  next.clock.advance(60_000);
  assert.equal(next.container(pod.metadata.name)["ready"], true);
  next.kubelet.crash(pod.metadata.name, 2);
  next.clock.advance(1);
  assert.equal(exitOf(next.container(pod.metadata.name))["exitCode"], 2);
  life.clock.advance(60_000);
  assert.equal(life.store.resourceVersion, writes, "a closed kubelet writes nothing");
  assert.equal(life.clock.pending, 0, "and leaves no timer");
});

test("a namesake of a deleted pod starts anew", () => {
  const life = clusterLife();
  const name = life.add("a", { fault: "never-ready" });
  life.clock.advance(isReady);
  withoutFinalizer(life, name);
  life.store.delete("pods", "default", name, { gracePeriodSeconds: 0 });
  life.add("a");
  life.clock.advance(accepted);
  assert.equal(life.status(name)["phase"], "Pending");
  life.clock.advance(isReady);
  assert.equal(life.container(name)["ready"], true);
});

test("Events are bounded in number and time", () => {
  const life = clusterLife({ maxEvents: 10, nodes: [{ name: "n1", cpu: "99", memory: "2Ti" }] });
  for (let i = 0; i < 20; i++) life.add(`w${i}`);
  life.clock.advance(60_000);
  assert.equal(life.store.list("events").length, 10);
  life.clock.advance(3_700_000);
  assert.equal(life.store.list("events").length, 0);
});

test("the same seed replays the same run", () => {
  const history = (): string => {
    const life = clusterLife({ timings: {} });
    const log: unknown[] = [];
    life.store.subscribe("pods", (type, pod) => log.push([life.clock.monotonic(), type, pod]));
    for (let i = 0; i < 5; i++) life.add(`w${i}`, { fault: ["", "oom", "interrupt", "image-pull:2", "evict"][i] });
    life.clock.advance(120_000);
    return JSON.stringify(log);
  };
  assert.equal(history(), history());
});
