/** Workspaces as callers read them: from memory, evicted ones rebuilt, and the whole or nothing. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { wsman } from "../../../src/gen/proto.js";
import { decodeFrame } from "../../../src/main/state/frame.ts";
import { matchAll } from "../../../src/main/state/filter.ts";
import type { Frames } from "../../../src/main/state/frame-list.ts";
import { allOf } from "../../support/frames.ts";
import { change, json, podOf, startCore, turns, type Core } from "./core.ts";

const never = new AbortController().signal;

interface Get {
  readonly name: string;
  answer(pod?: object): void;
  fail(): void;
}

/** Three workspaces of which one has its frame in memory. */
async function setup(entries = 1): Promise<Core & { readonly gets: Get[] }> {
  const gets: Get[] = [];
  const core = startCore({
    cache: { maxEntries: entries, maxBytes: 1e6 },
    fetchPod: (name) => new Promise((resolve, reject) => gets.push({ name, answer: (pod = runningPod(name.slice(3))) => resolve(json(pod)), fail: () => reject(new Error("refused")) })),
  });
  for (const id of ["a", "b", "c"]) void core.pipeline.line(change("ADDED", runningPod(id)));
  await core.pipeline.settled();
  return { ...core, gets };
}

function runningPod(id: string): object {
  return podOf(id, "running", 1, { owner: `owner-${id}` });
}

const idsOf = (frames: Frames) => allOf(frames).map((frame) => decodeFrame(frame).id ?? "").sort();

test("what is in memory is given without a request", async () => {
  const { workspaces, gets } = await setup(10);
  assert.deepEqual(idsOf(await workspaces.collect(matchAll, never)), ["a", "b", "c"]);
  assert.deepEqual(gets, []);
});

test("evicted frames are rebuilt with the versions that were published, and all are given together", async () => {
  const { workspaces, gets, published } = await setup();
  const collected = workspaces.collect(matchAll, never);
  await turns();
  assert.deepEqual(gets.map(({ name }) => name), ["ws-a", "ws-b"]);
  for (const get of gets) get.answer();
  const frames = await collected;
  const hex = (all: readonly Buffer[]) => all.map((frame) => frame.toString("hex")).sort();
  assert.deepEqual(hex(allOf(frames)), hex(published.map(({ frame }) => frame)));
  assert.equal(published.length, 3);
});

test("only those that match are rebuilt", async () => {
  const { workspaces, gets } = await setup();
  const collected = workspaces.collect({ ...matchAll, owner: "owner-b" }, never);
  await turns();
  assert.deepEqual(gets.map(({ name }) => name), ["ws-b"]);
  gets[0]?.answer();
  assert.deepEqual(idsOf(await collected), ["b"]);
});

test("if one of many can not be read, the caller is told so: never a part as if it were the whole", async () => {
  const { workspaces, gets } = await setup();
  const collected = assert.rejects(workspaces.collect(matchAll, never), { code: "UNAVAILABLE" });
  await turns();
  gets[0]?.answer();
  gets[1]?.fail();
  await collected;
});

test("a caller that goes waits no longer; what was begun for it goes on for others", async () => {
  const { workspaces, gets } = await setup();
  const caller = new AbortController();
  const gone = assert.rejects(workspaces.collect(matchAll, caller.signal), { code: "UNAVAILABLE" });
  const stays = workspaces.collect(matchAll, never);
  await turns();
  caller.abort();
  await gone;
  for (const get of gets) get.answer();
  assert.deepEqual(idsOf(await stays), ["a", "b", "c"]);
  assert.equal(gets.length, 2);
});

test("a read that fails after the caller has gone harms nobody", async () => {
  const { workspaces, gets } = await setup();
  const caller = new AbortController();
  const gone = assert.rejects(workspaces.collect(matchAll, caller.signal), { code: "UNAVAILABLE" });
  await turns();
  caller.abort();
  await gone;
  for (const get of gets) get.fail();
  await turns();
});

test("for a caller that had gone before, nothing is begun", async () => {
  const { workspaces, gets } = await setup();
  const gone = AbortSignal.abort();
  await assert.rejects(workspaces.collect(matchAll, gone), { code: "UNAVAILABLE" });
  await assert.rejects(async () => workspaces.describe("a", { signal: gone }), { code: "UNAVAILABLE" });
  await turns();
  assert.deepEqual(gets, []);
});

test("reading everything does not decide what is evicted next", async () => {
  const { workspaces, pipeline, store } = await setup(3);
  await workspaces.collect({ ...matchAll, owner: "owner-a" }, never);
  void pipeline.line(change("ADDED", runningPod("d")));
  await pipeline.settled();
  assert.deepEqual(["a", "b", "c", "d"].filter((id) => store.cache.peek(id)), ["b", "c", "d"]);
  await workspaces.describe("b", { signal: never });
  void pipeline.line(change("ADDED", runningPod("e")));
  await pipeline.settled();
  assert.deepEqual(["a", "b", "c", "d", "e"].filter((id) => store.cache.peek(id)), ["b", "d", "e"]);
});

test("one workspace is described: live or evicted with its last activity, lately stopped without, and none that never was", async () => {
  const { workspaces, pipeline, gets } = await setup(3);
  const active = podOf("a", "running", 2, { annotations: { "gitpod.io/lastActivity": "2024-01-01T00:10:00Z" } });
  void pipeline.line(change("MODIFIED", active));
  await pipeline.settled();
  assert.equal((await workspaces.describe("a", { signal: never }))?.lastActivity, Date.UTC(2024, 0, 1, 0, 10));
  void pipeline.line(change("DELETED", { ...active, metadata: { ...active.metadata, resourceVersion: "3" } }));
  await pipeline.settled();
  const stopped = await workspaces.describe("a", { signal: never });
  assert.ok(stopped);
  assert.deepEqual([decodeFrame(stopped.frame).phase, stopped.lastActivity], [wsman.WorkspacePhase.STOPPED, undefined]);
  for (const id of ["d", "e"]) void pipeline.line(change("ADDED", runningPod(id)));
  await pipeline.settled();
  const evicted = workspaces.describe("b", { signal: never });
  await turns();
  gets[0]?.answer();
  assert.equal(decodeFrame((await evicted)?.frame ?? Buffer.alloc(0)).id, "b");
  assert.equal(await workspaces.describe("nobody", { signal: never }), undefined);
});

test("an answer that is late brings no pod back that came and went unseen", async () => {
  const { workspaces, pipeline, gets, store, clock } = await setup();
  const collected = workspaces.collect(matchAll, never);
  await turns();
  pipeline.listStarted(false, undefined);
  for (const id of ["b", "c"]) void pipeline.item(json(podOf(id, "running", 1)));
  pipeline.listFinished("9");
  await pipeline.settled();
  gets[0]?.answer(podOf("a", "running", 5, { uid: "uid-came-and-went" }));
  gets[1]?.answer();
  assert.deepEqual(idsOf(await collected), ["b", "c"]);
  clock.advance(60_000);
  assert.deepEqual([...store.registry.records()].map(({ facts }) => facts.id), ["b", "c"]);
});

test("nothing is synchronized before the first complete list", async () => {
  const { workspaces, pipeline } = await setup();
  assert.equal(workspaces.synced, false);
  pipeline.listStarted(false, undefined);
  pipeline.listFinished("9");
  await pipeline.settled();
  assert.equal(workspaces.synced, true);
});
