/** Workspaces whose pod is gone and that may go on with another one: they end when their time is over and it is known that they do not. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { objectAt } from "../../../src/domain/json.ts";
import { wsman } from "../../../src/gen/proto.js";
import { change, podOf, turns, type Core } from "./core.ts";
import { ofA, placeholder, pod, refused, stage, waiting, type Stage } from "./succession-stage.ts";

const { PENDING, STOPPED } = wsman.WorkspacePhase;
const initializationMs = 600_000;
/** After so long it is looked whether the workspace goes on. */
const overMs = initializationMs + 12_000;

/** A workspace whose pod a node has refused, and that is gone. */
async function vacated(): Promise<Stage> {
  const core = stage({ initializationMs });
  await core.watch("ADDED", waiting);
  await core.watch("MODIFIED", { ...refused, metadata: { ...waiting.metadata, resourceVersion: "2" } });
  await core.watch("DELETED", { ...refused, metadata: { ...waiting.metadata, resourceVersion: "4" } });
  return core;
}

/** The same, given up: neither placeholder nor pod was found when its time was over. */
async function givenUp(): Promise<Stage> {
  const core = await vacated();
  core.clock.advance(overMs);
  for (let i = 0; i < 2; i++) {
    await turns();
    core.next().answer();
  }
  await turns();
  return core;
}

const phasesOf = (core: Core): readonly unknown[] => ofA(core.published.map(({ frame }) => frame)).map(({ phase }) => phase);

test("a workspace without a pod has ended when its time is over and neither a placeholder nor a pod is found, looked for in this order; what comes late of it from a watch that was away is not told", async () => {
  const core = await vacated();
  core.clock.advance(overMs);
  await turns();
  for (const name of ["placeholder-ws-a", "ws-a"]) {
    assert.deepEqual([core.gets.map((get) => get.name), phasesOf(core)], [[name], [PENDING]]);
    core.next().answer();
    await turns();
  }
  assert.deepEqual(phasesOf(core), [PENDING, STOPPED]);
  await core.watch("ADDED", pod(2));
  await turns();
  core.next().answer();
  await core.watch("DELETED", pod(2));
  await turns();
  assert.deepEqual([phasesOf(core), core.gets], [[PENDING, STOPPED], []]);
});

test("a pod that was made anew, and that a watch that is away has not told of, is found, and the workspace goes on", async () => {
  const core = await vacated();
  core.clock.advance(overMs);
  await turns();
  core.next().answer();
  await turns();
  core.next().answer(pod(2));
  await turns();
  assert.deepEqual([core.store.registry.byId("a")?.uid, core.told().at(-1)?.phase], ["p2", PENDING]);
  core.clock.advance(overMs);
  await turns();
  assert.deepEqual([core.gets, core.told().at(-1)?.phase], [[], PENDING]);
});

test("a pod that was made anew, and that waits for a worker, is nobody's end", async () => {
  const core = await vacated();
  core.pool.hold();
  void core.pipeline.line(change("ADDED", pod(2)));
  core.clock.advance(overMs);
  await turns();
  assert.deepEqual([core.gets, phasesOf(core)], [[], [PENDING]]);
  core.pool.release();
  await turns();
  assert.deepEqual([core.store.registry.byId("a")?.uid, core.gets, core.told().at(-1)?.phase], ["p2", [], PENDING]);
});

test("a workspace does not end while it can not be known whether its pod is there, or a pod is there that can not be understood", async () => {
  const core = await vacated();
  core.clock.advance(overMs);
  await turns();
  core.next().fail();
  await turns();
  core.clock.advance(12_000);
  await turns();
  core.next().answer();
  await turns();
  core.next().answer({ ...podOf("a", "running", 10), metadata: { ...waiting.metadata, uid: "p2", resourceVersion: "10", annotations: { ...waiting.metadata.annotations, "gitpod/firstUserActivity": "no time" } } });
  await turns();
  assert.deepEqual([core.skipped.length, phasesOf(core)], [1, [PENDING]]);
  core.clock.advance(12_000);
  await turns();
  for (let i = 0; i < 2; i++) {
    core.next().answer();
    await turns();
  }
  assert.deepEqual(phasesOf(core), [PENDING, STOPPED]);
});

test("a look at whether a pod is there does not take the answer of a read that began before", async () => {
  const core = await vacated();
  void core.rereader.read("ws-a", "");
  await turns();
  core.clock.advance(overMs);
  await turns();
  assert.deepEqual(core.gets.map(({ name }) => name), ["ws-a", "placeholder-ws-a"]);
  core.gets[1]?.answer();
  await turns();
  assert.deepEqual(core.gets.map(({ name }) => name), ["ws-a", "placeholder-ws-a", "ws-a"]);
});

test("a pod that was made so late that its workspace was given up, and that is there, is told of and looked after", async () => {
  const core = await givenUp();
  await core.watch("ADDED", pod(2));
  await turns();
  core.next().answer(pod(2));
  await turns();
  assert.deepEqual([core.store.registry.byId("a")?.uid, phasesOf(core)], ["p2", [PENDING, STOPPED, PENDING]]);
});

test("whether a pod of a workspace that was given up is there is asked until it is known", async () => {
  const core = await givenUp();
  await core.watch("ADDED", pod(2));
  for (let i = 0; i < 3; i++) {
    await turns();
    core.next().fail();
    await turns();
    core.clock.advance(60_000);
  }
  await turns();
  core.next().answer(pod(2));
  await turns();
  assert.equal(core.store.registry.byId("a")?.uid, "p2");
});

test("a placeholder of another start that stands in the way hides no pod, and keeps no workspace from having ended", async () => {
  const metadata = objectAt(placeholder, "metadata");
  const stranger = { ...placeholder, metadata: { ...metadata, uid: "other", annotations: { ...objectAt(metadata, "annotations"), "gitpod/ownerToken": "another" }, creationTimestamp: "2020-01-01T00:00:00Z" } };
  for (const isThere of [true, false]) {
    const core = await vacated();
    core.clock.advance(overMs);
    await turns();
    core.next().answer(stranger);
    await turns();
    const get = core.next();
    assert.equal(get.name, "ws-a");
    get.answer(isThere ? pod(2) : undefined);
    await turns();
    assert.deepEqual([core.store.registry.byId("a")?.uid, core.told().at(-1)?.phase], isThere ? ["p2", PENDING] : [undefined, STOPPED]);
  }
});
