/** Workspaces whose pod is gone and that go on with another one, looked at while their status is not in memory: none is left out, and whoever got a part of a status gets the whole. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { wsman } from "../../../src/gen/proto.js";
import { matchAll, type Filter } from "../../../src/main/state/filter.ts";
import type { Status } from "../../../src/main/state/frame.ts";
import { allOf } from "../../support/frames.ts";
import { json, podOf, turns, type Core } from "./core.ts";
import { ofA, placeholder, pod, refused, served, stage, waiting } from "./succession-stage.ts";

const { PENDING, RUNNING } = wsman.WorkspacePhase;
const signal = new AbortController().signal;

/** Looks at workspaces, and tells from then on what was told of workspace `a`. */
type Look = (core: Core, filter?: Filter) => () => readonly Status[];

const looks: Readonly<Record<string, Look>> = {
  "current statuses"(core, filter = matchAll) {
    const frames: Buffer[] = [];
    core.hub.subscribe(filter, { write: (frame) => frames.push(frame) > 0, end: (reason) => assert.fail(reason) }, { initialState: true, client: "c" });
    return () => ofA(frames);
  },
  "a list"(core, filter = matchAll) {
    const frames: Buffer[] = [];
    void core.workspaces.collect(filter, signal).then((found) => frames.push(...allOf(found)));
    return () => ofA(frames);
  },
  "a description"(core) {
    const frames: Buffer[] = [];
    void Promise.resolve(core.workspaces.describe("a", { signal })).then((found) => found && frames.push(found.frame));
    return () => ofA(frames);
  },
};

const versionOf = (status: Status | undefined): string => String(status?.statusVersion);

function assertWhole(status: Status | undefined): void {
  assert.equal(status?.phase, PENDING);
  assert.equal(status?.spec?.url, waiting.metadata.annotations["gitpod/url"]);
  assert.equal(status?.auth?.ownerToken, waiting.metadata.annotations["gitpod/ownerToken"]);
}

for (const [what, look] of Object.entries(looks)) {
  for (const when of ["before", "after"] as const) {
    test(`${what}: a workspace whose refused pod is found to be gone ${when} the watch says so is told, and then the whole of it with the next pod, which says the same`, async () => {
      const core = stage();
      const { watch, evict, next, gets, published } = core;
      await watch("ADDED", waiting);
      await watch("MODIFIED", { ...refused, metadata: { ...waiting.metadata, resourceVersion: "2" } });
      assert.equal(published.length, 1, "nobody is told that it was refused");
      await evict();
      const told = look(core);
      await turns();
      const removed = { ...refused, metadata: { ...waiting.metadata, resourceVersion: "4" } };
      if (when === "after") await watch("DELETED", removed);
      next().answer();
      await turns();
      if (when === "before") await watch("DELETED", removed);
      assert.deepEqual(told().map(({ phase }) => phase), [PENDING]);
      assert.deepEqual(gets, []);
      await watch("ADDED", pod(2));
      const last = core.told().at(-1);
      assertWhole(last);
      assert.notEqual(versionOf(last), versionOf(told()[0]), "what is not the same has another version");
      const count = published.length;
      await watch("MODIFIED", served(pod(2), "p2", 30));
      assert.equal(published.length, count, "once");
      assert.equal(told().length, what === "current statuses" ? 2 : 1);
    });
  }

  test(`${what}: a workspace between two pods is told as a whole by its placeholder, which is read once for all, and the next pod has nothing to add`, async () => {
    const core = stage();
    const { watch, evict, next, gets, published } = core;
    await watch("ADDED", waiting);
    await watch("MODIFIED", { ...refused, metadata: { ...waiting.metadata, resourceVersion: "2" } });
    await watch("ADDED", placeholder);
    await evict();
    await watch("DELETED", { ...refused, metadata: { ...waiting.metadata, resourceVersion: "4" } });
    const told = look(core);
    await turns();
    const get = next();
    assert.deepEqual([get.name, gets], ["placeholder-ws-a", []]);
    get.answer(placeholder);
    await turns();
    assertWhole(told()[0]);
    const count = published.length;
    await watch("ADDED", pod(2));
    assert.deepEqual([told().length, published.length], [1, count]);
  });

  test(`${what}: a workspace between two pods whose placeholder is gone as well is told from what is known`, async () => {
    const core = stage();
    const { watch, evict, next } = core;
    await watch("ADDED", refused);
    await watch("ADDED", placeholder);
    await evict();
    await watch("DELETED", { ...refused, metadata: { ...waiting.metadata, resourceVersion: "4" } });
    const told = look(core);
    await turns();
    next().answer();
    await turns();
    assert.deepEqual(told().map(({ id, phase }) => [id, phase]), [["a", PENDING]]);
  });

  for (const crowded of [false, true]) {
    test(`${what}: a pod that takes the place of its placeholder while that is read tells of the workspace${crowded ? ", although its own status has to be read as well" : ""}`, async () => {
      const core = stage();
      const { watch, evict, next, gets } = core;
      await watch("ADDED", placeholder);
      await evict();
      const told = look(core);
      await turns();
      await watch("ADDED", pod(2));
      if (crowded) await evict();
      next().answer();
      await turns();
      if (crowded) next().answer(pod(2));
      await turns();
      assert.deepEqual([told().length, gets.filter(({ name }) => name !== "ws-b")], [1, []]);
      assertWhole(told()[0]);
    });
  }

  test(`${what}: a workspace that waits is told, whether another pod has taken its pod's place unseen or it has ended: that is for the list to say`, async () => {
    const core = stage();
    const { watch, evict, next, pipeline } = core;
    await watch("ADDED", waiting);
    await evict();
    const told = look(core);
    await turns();
    next().answer(pod(2));
    await turns();
    assert.deepEqual(told().map(({ phase }) => phase), [PENDING]);
    pipeline.listStarted(false, undefined);
    void pipeline.item(json(pod(2)));
    pipeline.listFinished("50");
    await pipeline.settled();
    assertWhole(core.told().at(-1));
    assert.notEqual(versionOf(core.told().at(-1)), versionOf(told()[0]));
  });
}

test("a pod that has run and is gone is left out: a change is going to tell its end", async () => {
  for (const look of Object.values(looks)) {
    const core = stage();
    await core.watch("ADDED", podOf("a", "running", 1));
    await core.evict();
    const told = look(core);
    await turns();
    core.next().answer();
    await turns();
    assert.deepEqual(told(), []);
    core.clock.advance(60_000);
    assert.equal(core.told().at(-1)?.phase, wsman.WorkspacePhase.STOPPED);
  }
});

test("a workspace whose pods are gone one after the other while they are read is not looked for without end", async () => {
  const core = stage();
  await core.watch("ADDED", pod(2));
  await core.evict();
  const collected = assert.rejects(core.workspaces.collect(matchAll, signal), { code: "UNAVAILABLE" });
  let reads = 0;
  for (let n = 3; n < 20; n++) {
    await turns();
    const get = core.gets.shift();
    if (!get) break;
    reads++;
    await core.watch("ADDED", pod(n));
    await core.evict();
    get.answer();
  }
  await collected;
  assert.equal(reads, 5);
});

test("a workspace whose placeholder can not be read is no part of a whole", async () => {
  const core = stage();
  await core.watch("ADDED", placeholder);
  await core.evict();
  const collected = assert.rejects(core.workspaces.collect(matchAll, signal), { code: "UNAVAILABLE" });
  await turns();
  core.next().fail();
  await collected;
});

test("a list has no workspace of somebody else that has got the ID of one that was read", async () => {
  const core = stage();
  const filter = { ...matchAll, owner: "alice" };
  await core.watch("ADDED", podOf("a", "running", 1, { uid: "p1", owner: "alice" }));
  await core.evict();
  const told = looks["a list"]?.(core, filter);
  await turns();
  await core.watch("DELETED", podOf("a", "running", 2, { uid: "p1", owner: "alice" }));
  await core.watch("ADDED", podOf("a", "running", 3, { uid: "p2", owner: "bob" }));
  core.next().answer();
  await turns();
  assert.deepEqual(told?.(), []);
  assert.equal(core.told().at(-1)?.phase, RUNNING);
});
