/** Whatever happens to a workspace, and whenever its controller dies: it is never ended without a reason, its content never twice, and it always ends. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { wsman } from "../../../src/gen/proto.js";
import type { RawPod } from "../workers/pods.ts";
import { timestamp, World } from "./world.ts";

const { RUNNING, STOPPING, STOPPED } = wsman.WorkspacePhase;
const running = { running: {} };
const creating = { waiting: { reason: "ContainerCreating" } };

/** What a kubelet may say next, if the pod is as far. */
const kubelet: Readonly<Record<string, (world: World) => void>> = {
  schedule: (world) => world.change((pod) => {
    if (pod.status["phase"] !== "Pending" || pod.spec["nodeName"] !== undefined) return;
    pod.spec["nodeName"] = "node-1";
    pod.status["conditions"] = [{ type: "PodScheduled", status: "True" }];
  }),
  create: (world) => world.change((pod) => {
    if (pod.status["phase"] === "Pending" && pod.spec["nodeName"] !== undefined) withContainer(pod, creating);
  }),
  run: (world) => world.change((pod) => {
    if (pod.status["phase"] !== "Pending" || pod.status["containerStatuses"] === undefined) return;
    pod.status["phase"] = "Running";
    withContainer(pod, running, true);
  }),
  refuse: (world) => world.change((pod) => {
    if (pod.status["phase"] === "Pending" && pod.spec["nodeName"] !== undefined && pod.status["containerStatuses"] === undefined) pod.status = { phase: "Failed", reason: "OutOfcpu", message: "no room" };
  }),
  stop: (world) => {
    if (world.pod?.metadata["deletionTimestamp"] === undefined) return;
    world.change((pod) => terminate(pod, 0, "Completed"));
    world.reap();
  },
  crash: (world) => world.change((pod) => {
    if (pod.status["phase"] === "Running") terminate(pod, 1, "Error");
  }),
  complete: (world) => world.change((pod) => {
    if (pod.status["phase"] === "Running") terminate(pod, 0, "Completed");
  }),
};

function withContainer(pod: RawPod, state: object, started = false): void {
  pod.status["containerStatuses"] = [{ name: "workspace", ready: started, restartCount: 0, started, state }];
}

function terminate(pod: RawPod, exitCode: number, reason: string): void {
  const ran = pod.status["phase"] === "Running";
  pod.status["phase"] = exitCode === 0 ? "Succeeded" : "Failed";
  withContainer(pod, { terminated: { exitCode, reason, ...(ran && { startedAt: timestamp(0) }) } });
}

const steps = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...Object.keys(kubelet).filter((name) => name !== "crash" && name !== "complete")) },
  { weight: 1, arbitrary: fc.constantFrom("crash", "complete") },
  { weight: 2, arbitrary: fc.constantFrom("boot", "wait", "waitLong", "waitHour", "apiFails", "nodeAway", "touch") },
  { weight: 1, arbitrary: fc.constantFrom("stopRequest", "delete", "takeFinalizer", "nodeRefuses", "nodeDies", "freshWatch") },
);

const others: Readonly<Record<string, (world: World) => void>> = {
  boot: (world) => world.boot(),
  apiFails: (world) => void (world.apiFails = 3),
  nodeAway: (world) => void (world.nodeFails = { code: 14, times: 4 }),
  nodeDies: (world) => void (world.nodeFails = { code: 14, times: Number.POSITIVE_INFINITY }),
  nodeRefuses: (world) => void (world.nodeFails = { code: 3, times: 1 }),
  stopRequest: (world) => world.annotate("gitpod.io/stoppedByRequest", "1s"),
  touch: (world) => world.change(() => {}),
  takeFinalizer: (world) => {
    if (world.pod?.metadata["deletionTimestamp"] === undefined) world.change((pod) => void (pod.metadata["finalizers"] = []));
  },
  freshWatch: (world) => world.tell(),
  delete: (world) => {
    world.mark(30);
    world.tell();
    world.reap();
  },
};

async function step(world: World, name: string): Promise<void> {
  kubelet[name]?.(world);
  others[name]?.(world);
  for (let i = 0; i < (name === "waitHour" ? 12 : 0); i++) await world.pass(300_000);
  await world.pass(name === "wait" ? 6_000 : name === "waitLong" ? 300_000 : 200);
}

/** A cluster that works, and a user who has enough. */
async function finish(world: World): Promise<void> {
  world.apiFails = 0;
  world.nodeFails = { code: 14, times: 0 };
  for (let i = 0; i < 400 && (world.pod ?? world.placeholder); i++) {
    if (i === 3) world.annotate("gitpod.io/stoppedByRequest", "1s");
    kubelet["stop"]?.(world);
    await world.pass(i < 50 ? 5_000 : 60_000);
  }
  await world.pass(1_000);
}

/** Phases as one process tells them: never back, and nothing after the last. */
function assertOrder(world: World): void {
  const stopped = world.phases.indexOf(STOPPED);
  assert.ok(stopped >= 0, `it was told to have ended: ${world.phases.join()}`);
  const stopping = world.phases.indexOf(STOPPING);
  if (stopping >= 0) assert.ok(world.phases.slice(stopping).every((phase) => phase === STOPPING || phase === STOPPED), world.phases.join());
}

test("in random histories, with crashes at any point: nothing is deleted without reason, nothing is finalized twice, and it always ends", async () => {
  await fc.assert(fc.asyncProperty(fc.constantFrom("regular" as const, "prebuild" as const), fc.array(steps, { maxLength: 25 }), async (type, names) => {
    const world = new World(type);
    for (const name of names) await step(world, name);
    const wasReady = world.pod !== undefined && world.pod.metadata.annotations["gitpod/never-ready"] === undefined;
    await finish(world);
    world.halt();
    assert.equal(world.pod ?? world.placeholder, undefined, `the pod is gone: ${JSON.stringify(world.pod ?? world.placeholder)}`);
    assert.deepEqual(world.wrongs, []);
    assert.ok(world.backups <= 1);
    assertOrder(world);
    const told = world.failures.findIndex((failed) => failed !== "");
    if (told >= 0 && !names.includes("boot")) assert.ok(world.failures.slice(told).every((failed) => failed !== ""), "a failure once told stays");
    if (type === "regular" && wasReady && world.content === "disposed") assert.equal(world.backups, 1, "work was saved");
  }), { numRuns: 300 });
});

async function runningWorld(): Promise<World> {
  const world = new World();
  for (const name of ["schedule", "create", "run", "wait"]) await step(world, name);
  assert.equal(world.phases.at(-1), RUNNING);
  return world;
}

test("an idle workspace times out exactly then, after the time of another replica's activity if that wrote some", async () => {
  const world = await runningWorld();
  const began = world.clock.now();
  world.annotate("gitpod.io/lastActivity", timestamp(began));
  world.annotate("gitpod/firstUserActivity", timestamp(began));
  await world.pass(29 * 60_000);
  // The other replica writes; the watch is late.
  world.changeUntold((pod) => void (pod.metadata.annotations["gitpod.io/lastActivity"] = timestamp(world.clock.now())));
  await world.pass(2 * 60_000);
  assert.equal(world.phases.at(-1), RUNNING);
  await world.pass(26 * 60_000);
  assert.equal(world.phases.at(-1), RUNNING);
  await world.pass(2 * 60_000);
  assert.match(String(world.pod?.metadata.annotations["gitpod/timedout"]), /^workspace timed out after period of inactivity \(00h30m\)/);
  await finish(world);
  assert.equal(world.backups, 1);
});

test("a node daemon that never answers again: the workspace ends when its time is over, and says so", async () => {
  const world = await runningWorld();
  world.nodeFails = { code: 14, times: Number.POSITIVE_INFINITY };
  world.annotate("gitpod.io/stoppedByRequest", "1s");
  await world.pass(1_000);
  kubelet["stop"]?.(world);
  await world.pass(50 * 60_000);
  assert.equal(world.phases.at(-1), STOPPING);
  await world.pass(10 * 60_000);
  assert.equal(world.pod, undefined);
  assert.match(world.failures.at(-1) ?? "", /^last backup failed: /);
  assert.equal(world.jobs, 0);
});

test("a workspace whose finalizer somebody took while nobody led is backed up all the same, however it ends", async () => {
  const ends: Readonly<Record<string, (world: World) => void>> = {
    "a stop": (world) => world.annotate("gitpod.io/stoppedByRequest", "1s"),
    "a failure": (world) => kubelet["crash"]?.(world),
    "a timeout": (world) => world.annotate("gitpod/timedout", "workspace timed out"),
    "an interruption": (world) => world.change((pod) => {
      withContainer(pod, { terminated: { exitCode: 255, reason: "Unknown", startedAt: timestamp(0) } });
      pod.metadata.annotations["gitpod.io/stoppedByRequest"] = "1s";
    }),
  };
  for (const [how, end] of Object.entries(ends)) {
    const world = await runningWorld();
    world.halt();
    world.changeUntold((pod) => void (pod.metadata["finalizers"] = []));
    end(world);
    world.boot();
    await finish(world);
    assert.deepEqual([world.backups, world.wrongs, world.pod], [1, [], undefined], how);
  }
});

test("after an outage whoever uses a workspace has time to say so; an idle one ends a little later", async () => {
  for (const used of [true, false]) {
    const world = await runningWorld();
    for (const key of ["gitpod.io/lastActivity", "gitpod/firstUserActivity"]) world.annotate(key, timestamp(world.clock.now()));
    world.halt();
    await world.pass(50 * 60_000);
    world.boot();
    await world.pass(2 * 60_000);
    assert.equal(world.phases.at(-1), RUNNING);
    if (used) world.annotate("gitpod.io/lastActivity", timestamp(world.clock.now()));
    await world.pass(10 * 60_000);
    assert.equal(world.pod?.metadata.annotations["gitpod/timedout"] === undefined, used);
    await finish(world);
  }
});

test("nothing is kept of the work on a workspace that runs, and its changes cost nothing", async () => {
  const world = await runningWorld();
  for (let i = 0; i < 3; i++) await step(world, "touch");
  assert.equal(world.jobs, 0);
});
