/** Image builds: one for the same thing is joined. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { WsmanError } from "../../../src/domain/errors.ts";
import { wsman } from "../../../src/gen/proto.js";
import { request } from "../render/helpers.ts";
import { codeOf, settle, setup, type Setup } from "./start-world.ts";

const build = (id: string): wsman.StartWorkspaceRequest => request({ id, type: "IMAGEBUILD", metadata: { owner: "o", metaId: "m" } });

/** The first start, of "a", fails. */
async function failToBuild(start: Setup["start"], creating: Setup["creating"]): Promise<void> {
  const first = start(build("a"));
  await settle();
  creating[0]?.done.reject(new WsmanError("UNAVAILABLE", "no"));
  assert.equal(await codeOf(first), "UNAVAILABLE");
}

test("an image build whose pod is being taken away is not joined", async () => {
  const { creating, start, lingering, know } = setup();
  lingering.on = true;
  await failToBuild(start, creating);
  know("a", creating[0]?.token ?? "", wsman.WorkspaceType.IMAGEBUILD);
  void start(build("b"));
  await settle();
  assert.deepEqual(creating.map(({ id }) => id), ["a", "b"]);
});

test("nor is one whose pod ends by itself after its start has failed, for as long as that takes, and whatever is asked for meanwhile", async () => {
  for (const isAskedAgain of [false, true]) {
    const { creating, clock, start, ending, know } = setup();
    // Attempts of the clock's first moment would never be forgotten.
    clock.advance(1_000);
    ending.on = true;
    await failToBuild(start, creating);
    await settle();
    ending.on = false;
    if (isAskedAgain) {
      const again = start(build("a"));
      await settle();
      creating[1]?.done.reject(new WsmanError("ALREADY_EXISTS", "it is there still"));
      assert.equal(await codeOf(again), "ALREADY_EXISTS");
      await settle();
    }
    know("a", creating[0]?.token ?? "", wsman.WorkspaceType.IMAGEBUILD, wsman.WorkspacePhase.STOPPING);
    clock.advance(61_000);
    assert.equal(await codeOf(start(build("a"))), "ALREADY_EXISTS");
    void start(build("b"));
    await settle();
    assert.deepEqual(creating.map(({ id }) => id), isAskedAgain ? ["a", "a", "b"] : ["a", "b"]);
  }
});

test("an image build that joins another one cleans up what its own earlier attempt may have made", async () => {
  const { creating, cleaned, start, lingering, know } = setup();
  lingering.on = true;
  const build = (): wsman.StartWorkspaceRequest => request({ type: "IMAGEBUILD", metadata: { owner: "o", metaId: "m" } });
  const first = start(build());
  await settle();
  creating[0]?.done.reject(new WsmanError("UNAVAILABLE", "no"));
  assert.equal(await codeOf(first), "UNAVAILABLE");
  know("another", "its token", wsman.WorkspaceType.IMAGEBUILD);
  assert.deepEqual(await start(build()), { url: "https://another", ownerToken: "its token" });
  await settle();
  assert.equal(creating.length, 1);
  assert.deepEqual(cleaned, ["instance-1", "instance-1"]);
  assert.deepEqual(await start(build()), { url: "https://another", ownerToken: "its token" });
});

test("image builds for the same thing that are asked for at once become one, in whatever order they are asked for again", async () => {
  const { creating, start } = setup();
  const build = (id: string): wsman.StartWorkspaceRequest => request({ id, type: "IMAGEBUILD", metadata: { owner: "o", metaId: "m", annotations: { ref: "x" } } });
  const all = [start(build("a")), start(build("b")), start(build("a")), start(build("c"))];
  await settle();
  assert.deepEqual(creating.map(({ id }) => id), ["a"]);
  creating[0]?.done.resolve({ uid: "u1", url: "https://a" });
  assert.deepEqual(new Set((await Promise.all(all)).map(({ url }) => url)), new Set(["https://a"]));
});

test("an image build that has ended is not joined by way of one that had joined it, and that one is begun when it is asked for again", async () => {
  const { creating, gone, start } = setup();
  const build = (id: string): wsman.StartWorkspaceRequest => request({ id, type: "IMAGEBUILD", metadata: { owner: "o", metaId: "m", annotations: { ref: "x" } } });
  const all = [start(build("a")), start(build("b"))];
  await settle();
  creating[0]?.done.resolve({ uid: "u1", url: "https://a" });
  await Promise.all(all);
  gone.add("u1");
  for (const id of ["c", "b"]) {
    const next = start(build(id));
    await settle();
    creating.at(-1)?.done.resolve({ uid: `u-${id}`, url: `https://${id}` });
    assert.equal((await next).url, `https://${id}`);
    gone.add(`u-${id}`);
  }
  assert.deepEqual(creating.map(({ id }) => id), ["a", "c", "b"]);
});

test("an image build that has stopped, and whose pod is there still, is not joined", async () => {
  const { creating, know, start } = setup();
  const build = (id: string): wsman.StartWorkspaceRequest => request({ id, type: "IMAGEBUILD", metadata: { owner: "o", metaId: "m" } });
  const first = start(build("a"));
  await settle();
  creating[0]?.done.resolve({ uid: "uid-a", url: "https://a" });
  know("a", (await first).ownerToken, wsman.WorkspaceType.IMAGEBUILD, wsman.WorkspacePhase.STOPPED);
  void start(build("b"));
  await settle();
  assert.deepEqual(creating.map(({ id }) => id), ["a", "b"]);
});

test("what is remembered of builds is bounded by their annotations as well: the oldest is forgotten", async () => {
  const { creating, start } = setup();
  const build = (i: number): wsman.StartWorkspaceRequest => request({ id: `build-${i}`, type: "IMAGEBUILD", metadata: { owner: "o", metaId: `m-${i}`, annotations: { ref: "x".repeat(180_000) } } });
  for (let i = 0; i < 190; i++) {
    void start(build(i));
    await settle();
    creating[i]?.done.resolve({ uid: `u${i}`, url: "https://x" });
  }
  await settle();
  for (const [again, made] of [[189, 190], [0, 191]] as const) {
    void start(build(again));
    await settle();
    assert.equal(creating.length, made, `build ${again}`);
  }
});

test("an image build whose ID is known already, from another replica or before a restart, is answered with what it has; a request of that ID for something else is not", async () => {
  const { creating, know, start } = setup();
  know("a", "its token", wsman.WorkspaceType.IMAGEBUILD);
  const build = (members: object): wsman.StartWorkspaceRequest => request({ id: "a", type: "IMAGEBUILD", metadata: { owner: "o", metaId: "m" }, ...members });
  assert.deepEqual(await start(build({})), { url: "https://a", ownerToken: "its token" });
  for (const other of [{ metadata: { owner: "o", metaId: "another" } }, { metadata: { owner: "o", metaId: "m", annotations: { ref: "x" } } }, { type: "PREBUILD" }]) assert.equal(await codeOf(start(build(other))), "ALREADY_EXISTS");
  know("a", "its token", wsman.WorkspaceType.IMAGEBUILD, wsman.WorkspacePhase.STOPPED);
  assert.equal(await codeOf(start(build({}))), "ALREADY_EXISTS");
  assert.equal(creating.length, 0);
});

test("an image build that another replica has made is joined once it is noted on its pod, so that it stays there; one that is about to go is not, and one that was made here needs no note", async () => {
  const { creating, know, start, joined, going } = setup();
  know("a", "its token", wsman.WorkspaceType.IMAGEBUILD);
  assert.equal((await start(build("a"))).ownerToken, "its token");
  assert.equal((await start(build("b"))).ownerToken, "its token");
  assert.deepEqual(joined, ["uid-a", "uid-a"]);
  going.add("uid-a");
  assert.equal(await codeOf(start(build("a"))), "ALREADY_EXISTS");
  const own = start(build("c"));
  await settle();
  creating[0]?.done.resolve({ uid: "uid-c", url: "https://c" });
  know("c", (await own).ownerToken, wsman.WorkspaceType.IMAGEBUILD);
  assert.deepEqual(await start(build("d")), await own);
  assert.deepEqual([creating.map(({ id }) => id), joined.length], [["c"], 2]);
});

test("an image build for the same, of the same ID and with other words, joins the one that was asked for here", async () => {
  const { creating, know, start } = setup();
  const build = (image: string): wsman.StartWorkspaceRequest => request({ id: "a", type: "IMAGEBUILD", metadata: { owner: "o", metaId: "m" } }, { workspaceImage: image });
  const [first, second] = [start(build("one")), start(build("two"))];
  await settle();
  creating[0]?.done.resolve({ uid: "uid-a", url: "https://a" });
  assert.deepEqual(await second, await first);
  know("a", (await first).ownerToken, wsman.WorkspaceType.IMAGEBUILD, wsman.WorkspacePhase.STOPPED);
  assert.equal(await codeOf(start(build("three"))), "ALREADY_EXISTS");
  assert.equal(creating.length, 1);
});

test("what is left of an image build that has failed is not what another request of its ID is answered with", async () => {
  const { creating, know, start } = setup();
  const build = (image: string): wsman.StartWorkspaceRequest => request({ id: "a", type: "IMAGEBUILD", metadata: { owner: "o", metaId: "m" } }, { workspaceImage: image });
  const first = start(build("one"));
  await settle();
  know("a", creating[0]?.token ?? "", wsman.WorkspaceType.IMAGEBUILD);
  creating[0]?.done.reject(new WsmanError("UNAVAILABLE", "no"));
  assert.equal(await codeOf(first), "UNAVAILABLE");
  await settle();
  assert.equal(await codeOf(start(build("two"))), "ALREADY_EXISTS");
});
