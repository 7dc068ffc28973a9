/** Who may start what, and what the same request again is answered. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { WsmanError } from "../../../src/domain/errors.ts";
import { wsman } from "../../../src/gen/proto.js";
import { digestOfRequest } from "../../../src/main/lifecycle/request-digest.ts";
import { request } from "../render/helpers.ts";
import { codeOf, settle, setup } from "./start-world.ts";

test("the same request joins the first, and has its answer for a minute after that", async () => {
  const { clock, creating, start } = setup();
  const [first, second] = [start(request({ metadata: { owner: "o", metaId: "m", annotations: { a: "1", b: "2" } } })), start(request({ metadata: { owner: "o", metaId: "m", annotations: { b: "2", a: "1" } } }))];
  await settle();
  assert.equal(creating.length, 1);
  clock.advance(30_000);
  creating[0]?.done.resolve({ uid: "u1", url: "https://x" });
  assert.deepEqual(await second, await first);
  clock.advance(59_000);
  assert.deepEqual(await start(request({ metadata: { owner: "o", metaId: "m", annotations: { a: "1", b: "2" } } })), await first);
  assert.equal(await codeOf(start(request())), "ALREADY_EXISTS");
  assert.equal(creating.length, 1);
});

test("the same request has its answer also where the pod was made anew meanwhile, and not where another start has the workspace's place", async () => {
  const { creating, gone, know, start } = setup();
  const first = start(request());
  await settle();
  creating[0]?.done.resolve({ uid: "u1", url: "https://x" });
  const { ownerToken } = await first;
  gone.add("u1");
  know("instance-1", ownerToken);
  assert.deepEqual(await start(request()), await first);
  assert.equal(await codeOf(start(request({}, { workspaceImage: "other" }))), "ALREADY_EXISTS");
  know("instance-1", "another one's");
  assert.equal(await codeOf(start(request())), "ALREADY_EXISTS");
  assert.equal(creating.length, 1);
});

test("after a failure the same request tries again with the same token, once the first has been cleaned up", async () => {
  const { creating, cleaned, start } = setup();
  const first = start(request());
  await settle();
  creating[0]?.done.reject(new WsmanError("UNAVAILABLE", "no"));
  assert.equal(await codeOf(first), "UNAVAILABLE");
  const second = start(request());
  await settle();
  assert.deepEqual(cleaned, ["instance-1"]);
  assert.equal(creating[1]?.token, creating[0]?.token);
  creating[1]?.done.resolve({ uid: "u1", url: "https://x" });
  assert.equal((await second).ownerToken, creating[0]?.token);
  assert.equal(await codeOf(start(request({}, { workspaceImage: "other" }))), "ALREADY_EXISTS");
});

test("a clean-up that waits for what may still come is told that the same request has come again, and of no other", async () => {
  const { creating, start, lingering } = setup();
  lingering.on = true;
  const first = start(request());
  await settle();
  creating[0]?.done.reject(new WsmanError("UNAVAILABLE", "no"));
  assert.equal(await codeOf(first), "UNAVAILABLE");
  void start(request({ id: "other" }));
  await settle();
  assert.deepEqual(creating.map(({ id }) => id), ["instance-1", "other"]);
  const second = start(request());
  await settle();
  creating[2]?.done.resolve({ uid: "u1", url: "https://x" });
  assert.equal((await second).ownerToken, creating[0]?.token);
});

test("a pod that comes while it is looked for to be taken away is not what the same request is answered with: the clean-up ends first, and then it is asked for", async () => {
  for (const type of ["REGULAR", "IMAGEBUILD"] as const) {
    const { creating, start, lingering, know } = setup();
    lingering.on = true;
    const asked = (): wsman.StartWorkspaceRequest => request({ type, metadata: { owner: "o", metaId: "m" } });
    const first = start(asked());
    await settle();
    creating[0]?.done.reject(new WsmanError("UNAVAILABLE", "no"));
    assert.equal(await codeOf(first), "UNAVAILABLE");
    know("instance-1", creating[0]?.token ?? "", wsman.WorkspaceType[type]);
    const second = start(asked());
    await settle();
    assert.equal(creating.length, 2, type);
    assert.equal(creating[1]?.token, creating[0]?.token);
    creating[1]?.done.resolve({ uid: "u1", url: "https://x" });
    assert.equal((await second).url, "https://x");
  }
});

test("a pod that was taken away after its start had failed, and is known still, is not what the same request is answered with", async () => {
  const { creating, cleaned, start, know } = setup();
  const first = start(request());
  await settle();
  know("instance-1", creating[0]?.token ?? "");
  creating[0]?.done.reject(new WsmanError("UNAVAILABLE", "no"));
  assert.equal(await codeOf(first), "UNAVAILABLE");
  await settle();
  assert.deepEqual(cleaned, ["instance-1"]);
  void start(request());
  await settle();
  assert.equal(creating.length, 2);
  assert.equal(await codeOf(start(request({}, { workspaceImage: "other" }))), "ALREADY_EXISTS");
});

test("while the pod of a failed start ends by itself the same request is told that it exists, and after that it is another start, with tokens of its own", async () => {
  const { creating, start, lingering, ending } = setup();
  lingering.on = ending.on = true;
  const first = start(request());
  await settle();
  creating[0]?.done.reject(new WsmanError("UNAVAILABLE", "no"));
  assert.equal(await codeOf(first), "UNAVAILABLE");
  await settle();
  lingering.on = false;
  // It ends the clean-up's wait, and takes its turn behind that.
  assert.equal(await codeOf(start(request())), "ALREADY_EXISTS");
  assert.equal(creating.length, 1);
  ending.on = false;
  const third = start(request());
  await settle();
  assert.equal(creating.length, 2);
  assert.notEqual(creating[1]?.token, creating[0]?.token);
  creating[1]?.done.resolve({ uid: "uid-new", url: "https://new" });
  assert.equal((await third).ownerToken, creating[1]?.token);
});

test("a workspace that is known and was not asked for here is one that exists", async () => {
  const { creating, start, know } = setup();
  know("instance-1", "somebody else's");
  assert.equal(await codeOf(start(request())), "ALREADY_EXISTS");
  assert.deepEqual(creating, []);
});

test("what was started is not cleaned up", async () => {
  const { creating, cleaned, start } = setup();
  const first = start(request());
  await settle();
  creating[0]?.done.resolve({ uid: "u1", url: "https://x" });
  await first;
  await settle();
  assert.deepEqual(cleaned, []);
});

test("a start is unwanted once all calls for it have given up, and one that comes at that moment begins it anew", async () => {
  const { starter, creating } = setup();
  const [one, two, three] = [new AbortController(), new AbortController(), new AbortController()];
  const [first, second] = [starter.start(request(), one.signal), starter.start(request(), two.signal)];
  await settle();
  one.abort();
  assert.equal(creating[0]?.unwanted.aborted, false);
  two.abort();
  assert.equal(creating[0]?.unwanted.aborted, true);
  const third = starter.start(request(), three.signal);
  await settle();
  assert.equal(creating.length, 1);
  creating[0]?.done.reject(new WsmanError("CANCELLED", "nobody waits for it"));
  assert.deepEqual([await codeOf(first), await codeOf(second)], ["CANCELLED", "CANCELLED"]);
  await settle();
  assert.equal(creating[1]?.unwanted.aborted, false);
  creating[1]?.done.resolve({ uid: "u1", url: "https://x" });
  assert.equal((await third).ownerToken, creating[0]?.token);
  assert.equal(await codeOf(starter.start(request(), one.signal)), "CANCELLED");
});

test("a workspace that has gone meanwhile can be started anew", async () => {
  const { creating, gone, start } = setup();
  const first = start(request());
  await settle();
  creating[0]?.done.resolve({ uid: "u1", url: "https://x" });
  await first;
  gone.add("u1");
  void start(request());
  await settle();
  assert.equal(creating.length, 2);
  assert.notEqual(creating[1]?.token, creating[0]?.token);
});

test("at the end those under way are waited for, but not for ever", async () => {
  const { starter, clock, creating, start } = setup();
  const first = start(request());
  await settle();
  let settled = false;
  const end = starter.settled(5000).then(() => (settled = true));
  await settle();
  assert.equal(settled, false);
  clock.advance(5000);
  await end;
  creating[0]?.done.resolve({ uid: "u1", url: "https://x" });
  await first;
  await starter.settled(5000);
});

test("a request is the same however its maps are written, those in initializers and with hostile keys too, and another one with any other value", async () => {
  const configs: Record<string, string>[] = [{ "user.name": "x", "core.editor": "vi", 7: "seven" }, { "core.editor": "vi", 7: "seven", "user.name": "x" }];
  const withProto = configs.map((config, i) => {
    const entries = Object.entries(config);
    return Object.fromEntries(i === 0 ? [["__proto__", "p"], ...entries] : [...entries, ["__proto__", "p"]]);
  });
  const requests = [...withProto, { ...configs[0], "core.editor": "ed" }, configs[0] ?? {}].map((customConfig) =>
    wsman.StartWorkspaceRequest.decode(wsman.StartWorkspaceRequest.encode(request({}, { initializer: { composite: { initializer: [{ git: { remoteUri: "https://x", config: { customConfig } } }] } } })).finish()));
  const digests = requests.map(digestOfRequest);
  assert.equal(digests[0], digests[1]);
  assert.equal(new Set(digests).size, 3);
});
