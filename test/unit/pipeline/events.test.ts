/** Events and pods come by different ways: in whichever order they arrive, the status has the Events in the end, and each status is told once. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { wsman } from "../../../src/gen/proto.js";
import { change, eventOf, json, podOf, startCore, turns, type Core } from "./core.ts";

const { CREATING, INITIALIZING, INTERRUPTED, RUNNING, STOPPED } = wsman.WorkspacePhase;

function comes(core: Core, event: object, type: "ADDED" | "MODIFIED" | "DELETED" = "ADDED", reason: "FailedMount" | "NetworkNotReady" = "FailedMount"): void {
  void core.events.sinkFor(reason).line(change(type, event));
}

/** Phase and failure of all that was told. */
const short = (core: Core) => core.told().map((status) => [status.phase, status.conditions?.failed ?? ""]);

test("an Event that was known before its pod is in the pod's first status", async () => {
  const core = startCore();
  comes(core, eventOf("uid-a"));
  void core.pipeline.line(change("ADDED", podOf("a", "creating", 1)));
  await turns();
  assert.deepEqual(short(core), [[CREATING, "no such volume"]]);
  assert.equal(core.pool.sent.length, 1, "derived once");
});

test("an Event that comes while its pod is unknown, and its line with a worker, is told right after", async () => {
  const core = startCore();
  core.pool.hold();
  void core.pipeline.line(change("ADDED", podOf("a", "creating", 1)));
  await turns();
  comes(core, eventOf("uid-a"));
  core.pool.release();
  await turns();
  assert.deepEqual(short(core), [[CREATING, ""], [CREATING, "no such volume"]]);
});

test("an Event that comes while a change of its pod is with a worker counts, whatever was held of the pod before", async () => {
  const core = startCore();
  void core.pipeline.line(change("ADDED", podOf("a", "scheduled", 1)));
  await turns();
  core.pool.hold();
  void core.pipeline.line(change("MODIFIED", podOf("a", "creating", 2)));
  await turns();
  comes(core, eventOf("uid-a"));
  core.pool.release();
  await turns();
  assert.deepEqual(short(core).slice(1), [[CREATING, ""], [CREATING, "no such volume"]]);
});

test("Events that come while one is taken in are all taken in, with one derivation more", async () => {
  const core = startCore();
  void core.pipeline.line(change("ADDED", podOf("a", "interrupted", 1)));
  await turns();
  core.pool.hold();
  for (let n = 0; n < 5; n++) comes(core, eventOf("uid-a", "not ready", "NetworkNotReady", `e${n}`), "ADDED", "NetworkNotReady");
  await turns();
  assert.equal(core.pool.held.length, 1);
  core.pool.release();
  await turns();
  assert.equal(core.pool.sent.length, 3);
  assert.deepEqual(core.told().map(({ conditions }) => conditions?.networkNotReady ?? 0), [0, wsman.WorkspaceConditionBool.TRUE]);
  assert.equal(core.pipeline.depth, 0);
});

test("an Event that is taken back is taken back in the status, even while the line that has it is with a worker; a failure stays", async () => {
  const core = startCore();
  comes(core, eventOf("uid-a", "", "NetworkNotReady"), "ADDED", "NetworkNotReady");
  comes(core, eventOf("uid-b"));
  core.pool.hold();
  void core.pipeline.line(change("ADDED", podOf("a", "interrupted", 1)));
  void core.pipeline.line(change("ADDED", podOf("b", "creating", 2)));
  await turns();
  comes(core, eventOf("uid-a", "", "NetworkNotReady"), "DELETED", "NetworkNotReady");
  comes(core, eventOf("uid-b"), "DELETED");
  core.pool.release();
  await turns();
  assert.deepEqual(core.told().map(({ id, phase, conditions }) => [id, phase, conditions?.networkNotReady === wsman.WorkspaceConditionBool.TRUE, conditions?.failed]), [
    ["a", INTERRUPTED, true, ""],
    ["b", CREATING, false, "no such volume"],
    ["a", INTERRUPTED, false, ""],
  ]);
});

test("what is held of an older pod can not undo a change that is on its way", async () => {
  const core = startCore();
  void core.pipeline.line(change("ADDED", podOf("a", "creating", 1)));
  await turns();
  core.pool.hold();
  void core.pipeline.line(change("MODIFIED", podOf("a", "initializing", 2)));
  await turns();
  comes(core, eventOf("uid-a"));
  core.pool.release();
  await turns();
  assert.deepEqual(short(core), [[CREATING, ""], [INITIALIZING, ""]]);
});

test("an Event of a pod on which it has no bearing costs no derivation", async () => {
  const core = startCore();
  void core.pipeline.line(change("ADDED", podOf("a", "running", 1)));
  await turns();
  comes(core, eventOf("uid-a"));
  comes(core, eventOf("uid-nobody"));
  await turns();
  assert.equal(core.pool.sent.length, 1);
  assert.deepEqual(short(core), [[RUNNING, ""]]);
});

test("from when a pod's status depends on Events no more, nothing is held of it", async () => {
  const core = startCore();
  void core.pipeline.line(change("ADDED", podOf("a", "creating", 1)));
  await turns();
  assert.ok(core.store.registry.byUid("uid-a")?.held);
  void core.pipeline.line(change("MODIFIED", podOf("a", "running", 2)));
  await turns();
  assert.equal(core.store.registry.byUid("uid-a")?.held, undefined);
});

test("with a pod that is gone its Events go, and one that is derived again then brings it not back", async () => {
  const core = startCore();
  comes(core, eventOf("uid-a"));
  void core.pipeline.line(change("ADDED", podOf("a", "creating", 1)));
  await turns();
  core.pool.hold();
  void core.pipeline.line(change("DELETED", podOf("a", "creating", 2)));
  await turns();
  comes(core, eventOf("uid-a", "another"), "MODIFIED");
  core.pool.release();
  await turns();
  assert.deepEqual(short(core), [[CREATING, "no such volume"], [STOPPED, "no such volume"]]);
  assert.equal(core.store.registry.size, 0);
  assert.equal(core.events.size, 0);
});

test("a pod that is derived again while a list is read that has it no more is gone with that list, told once", async () => {
  const core = startCore();
  const sink = core.events.sinkFor("FailedMount");
  sink.listStarted(false, undefined);
  void sink.item(json(eventOf("uid-a")));
  sink.listFinished("5");
  core.pipeline.listStarted(false, undefined);
  void core.pipeline.item(json(podOf("a", "creating", 1)));
  core.pipeline.listFinished("10");
  await turns();
  core.pipeline.listStarted(false, undefined);
  void core.pipeline.item(json(podOf("b", "running", 12)));
  await turns();
  sink.listStarted(false, undefined);
  sink.listFinished("19");
  core.pipeline.listFinished("20");
  await turns();
  assert.deepEqual(core.told().map(({ id, phase, conditions }) => [id, phase, conditions?.failed]), [
    ["a", CREATING, "no such volume"],
    ["b", RUNNING, ""],
    ["a", STOPPED, "no such volume"],
  ]);
  assert.deepEqual([...core.store.registry.records()].map(({ uid }) => uid), ["uid-b"]);
});

test("an Event that comes between a list's items and its end is told once, and the list ends nobody who is in it", async () => {
  const core = startCore();
  for (const version of ["10", "20"]) {
    core.pipeline.listStarted(false, undefined);
    core.pool.hold();
    void core.pipeline.item(json(podOf("a", "creating", 1)));
    await turns();
    comes(core, eventOf("uid-a"));
    core.pipeline.listFinished(version);
    core.pool.release();
    await turns();
  }
  assert.deepEqual(short(core), [[CREATING, ""], [CREATING, "no such volume"]]);
  assert.equal(core.store.registry.size, 1);
});
