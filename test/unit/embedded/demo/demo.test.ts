/** The demo: every workspace lives, ends and is replaced; nothing grows over a day; a seed replays. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { startDemo } from "../../../../src/embedded/demo/index.ts";
import { isRecord, record, records, text } from "../../../../src/embedded/kubelet/json.ts";
import { seededRandom } from "../../../../src/embedded/kubelet/random.ts";
import type { KubeObject } from "../../../../src/embedded/contract.ts";
import type { DemoContents } from "../../../../src/embedded/demo/life.ts";
import { clusterLife } from "../../../support/cluster-life.ts";
import type { ClusterLife } from "../../../support/cluster-life.ts";

interface Run extends ClusterLife {
  readonly born: Map<string, number>;
  readonly gone: Map<string, KubeObject>;
  readonly traits: Set<string>;
  readonly demo: { close(): void };
}

function run(seed = 1, workspaces?: number, contents?: DemoContents): Run {
  const life = clusterLife({ timings: {}, random: seededRandom(seed + 1000) });
  const [born, gone, traits] = [new Map<string, number>(), new Map<string, KubeObject>(), new Set<string>()];
  life.store.subscribe("pods", (type, pod) => {
    if (type === "ADDED") born.set(pod.metadata.name, life.clock.monotonic());
    if (type === "DELETED") gone.set(pod.metadata.name, pod);
    for (const trait of traitsOf(pod)) traits.add(trait);
  });
  const demo = startDemo(life.store, { namespace: "default", clock: life.clock, random: seededRandom(seed), contents, onError: (error) => life.errors.push(error), ...(workspaces === undefined ? {} : { workspaces }) });
  return { ...life, born, gone, traits, demo };
}

function traitsOf(pod: KubeObject): readonly string[] {
  const status = record(pod["status"]);
  const state = record(record(records(status["containerStatuses"])[0])["state"]);
  const waiting = text(record(state["waiting"])["reason"]);
  const exit = isRecord(state["terminated"]) ? [`exit ${String(state["terminated"]["exitCode"])} ${text(status["phase"])}`] : [];
  return [text(pod.metadata.labels?.["workspaceType"]), `phase ${text(status["phase"])}`, `waiting ${waiting}`, text(status["reason"]), ...exit, ...Object.keys(pod.metadata.annotations ?? {})];
}

test("over a simulated day every workspace comes to an end and is replaced, and nothing grows", () => {
  const life = run(1, 3);
  const hour = 3_600_000;
  const counts: number[] = [];
  for (let i = 0; i < 24; i++) {
    life.clock.advance(hour);
    counts.push(life.store.list("pods").length);
    assert.ok(life.store.list("pods").length <= 3, "never more than asked for");
    assert.ok(life.store.list("events").length <= 5000);
    for (const pod of life.store.list("pods")) assert.ok(life.clock.monotonic() - (life.born.get(pod.metadata.name) ?? 0) < 900_100, `${pod.metadata.name} is too old`);
  }
  assert.ok(life.gone.size > 24 * 3 * 10, `only ${life.gone.size} lives`);
  assert.ok(counts.every((count) => count >= 1), `workspaces left: ${counts.join(" ")}`);
  assert.ok(life.clock.pending < 200, `${life.clock.pending} timers`);
  assert.deepEqual(life.errors, []);
  const expected = [
    "regular", "prebuild", "imagebuild", "phase Pending", "phase Running", "phase Failed", "phase Succeeded", "waiting ContainerCreating", "waiting ErrImagePull", "waiting ImagePullBackOff", "Evicted",
    "exit 255 Running", "exit 1 Failed", "exit 137 Failed", "exit 0 Succeeded", "gitpod/firstUserActivity", "gitpod/exposedPorts", "gitpod/customTimeout", "gitpod/closed", "gitpod/timedout", "gitpod.io/stoppedByRequest",
    "gitpod/failedBeforeStopping", "gitpod.io/startedDisposal", "gitpod.io/disposalStatus", "gitpod/snapshot", "gitpod.io/nodeName",
  ];
  assert.deepEqual(expected.filter((trait) => !life.traits.has(trait)), []);
});

test("the first minute already shows workspaces in several states, with a change every second or two", () => {
  const life = run();
  const before = life.store.resourceVersion;
  life.clock.advance(60_000);
  assert.equal(life.store.list("pods").length, 8);
  const changes = life.store.resourceVersion - before;
  assert.ok(changes > 60 && changes < 400, `${changes} writes in a minute`);
  assert.ok(life.traits.has("phase Running") && life.traits.has("gitpod/firstUserActivity"));
});

test("pods begin as the API server creates them: pending, their ports with a protocol", () => {
  const life = run();
  const first: KubeObject[] = [];
  life.store.subscribe("pods", (type, pod) => void (type === "ADDED" && first.push(pod)));
  life.clock.advance(10_000);
  assert.equal(first.length, 8);
  for (const pod of first) {
    assert.equal(record(pod["status"])["phase"], "Pending");
    const ports = records(record(records(record(pod["spec"])["containers"])[0])["ports"]);
    assert.deepEqual(ports.map((port) => port["protocol"]), ["TCP", "TCP"]);
  }
});

test("workspaces whose content was ready are backed up before they go", () => {
  const life = run(7);
  life.clock.advance(3_600_000);
  const ready = [...life.gone.values()].filter((pod) => pod.metadata.annotations?.["gitpod/never-ready"] === undefined);
  assert.ok(ready.length > 50);
  for (const pod of ready) assert.match(pod.metadata.annotations?.["gitpod.io/disposalStatus"] ?? "", /"backupComplete":true/, pod.metadata.name);
});

test("the contents of workspaces that were ready are on their nodes until the workspaces end, backed up unless that fails", () => {
  const held = new Map<string, string>();
  const releases = { saved: 0, lost: 0 };
  const life = run(7, 3, {
    adopt(node, { id, owner, metaId, initializer }) {
      assert.ok(node !== "" && owner !== "" && metaId !== "" && initializer.git);
      held.set(id, node);
    },
    release(node, id, backup) {
      assert.notEqual(node, "");
      // Told once more when the pod is gone.
      if (!held.delete(id)) return;
      if (backup) releases.saved++;
      else releases.lost++;
    },
  });
  const most = { held: 0 };
  for (let i = 0; i < 3600; i++) {
    life.clock.advance(1000);
    most.held = Math.max(most.held, held.size);
  }
  assert.deepEqual(life.errors, []);
  assert.ok(most.held > 0 && most.held <= 3, `${most.held}`);
  assert.ok(releases.saved > 20 && releases.lost > 0, JSON.stringify(releases));
});

test("a workspace that someone else deletes, even by force, is cleaned up and replaced", () => {
  const life = run(3, 2);
  life.clock.advance(30_000);
  const names = life.store.list("pods").map((pod) => pod.metadata.name);
  names.forEach((name, i) => life.store.delete("pods", "default", name, { gracePeriodSeconds: i === 0 ? 0 : 30 }));
  life.clock.advance(60_000);
  for (const name of names) assert.ok(life.gone.has(name), name);
  assert.equal(life.store.list("pods").length, 2);
});

test("pods of others are left alone, and a closed demo does nothing more", () => {
  const life = run();
  const name = life.add("mine");
  life.clock.advance(600_000);
  assert.equal(life.pod(name).metadata.annotations?.["gitpod/never-ready"], "true");
  life.demo.close();
  life.kubelet.close();
  const writes = life.store.resourceVersion;
  life.clock.advance(3_600_000);
  assert.equal(life.store.resourceVersion, writes);
  assert.equal(life.clock.pending, 0);
});

test("the same seed replays the same day, another seed another", () => {
  const names = (seed: number): string => {
    const life = run(seed);
    life.clock.advance(900_000);
    return [...life.born].join(" ");
  };
  assert.equal(names(5), names(5));
  assert.notEqual(names(5), names(6));
});
