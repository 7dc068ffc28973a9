/** Creating a workspace where answers are lost, late or refusals: it is there once, or nothing of it stays. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Answer } from "../../support/fake-apiserver.ts";
import { asPosted, failureOf, lost, made, never, pod, script, setup, startOf, status, tokens, type Setup } from "./creation-world.ts";

test("a pod whose creation was not answered is known by its token", async (t) => {
  const { server, creation, during } = await setup(t);
  script(server, { "POST pods": [lost, status(409, "AlreadyExists")], "GET pods": [pod("owner-token")] });
  assert.equal((await during(creation.create(startOf(), tokens, never))).uid, "u1");
  script(server, { "POST pods": [status(409, "AlreadyExists")], "GET pods": [pod("somebody else's")] });
  assert.equal((await failureOf(during(creation.create(startOf(), tokens, never)))).code, "ALREADY_EXISTS");
});

test("a pod whose creation was not answered, and that has ended meanwhile, is not made a second time", async (t) => {
  const { server, creation, told, during, asked } = await setup(t);
  told.ownerToken = "owner-token";
  script(server, { "POST pods": [(answer) => {
    creation.gone("instance-1", "u1");
    answer.reset();
  }] });
  const { uid } = await during(creation.create(startOf(), tokens, never));
  assert.equal(uid, "u1");
  assert.deepEqual(asked(), ["POST pods"]);
  await during(creation.clean(startOf(), tokens, never));
  assert.deepEqual(asked(), ["POST pods"], "nothing is left to be taken away");
});

test("the end of somebody else's pod, or of another workspace, does not end the attempts to create one", async (t) => {
  const { server, creation, told, during, asked } = await setup(t);
  told.ownerToken = "somebody else's";
  const ending = (id: string) => (answer: Answer): void => {
    creation.gone(id, "u0");
    answer.reset();
  };
  script(server, { "POST pods": [ending("instance-1"), ending("instance-2"), pod("owner-token")] });
  assert.equal((await during(creation.create(startOf(), tokens, never))).uid, "u1");
  assert.deepEqual(asked(), ["POST pods", "POST pods", "POST pods"]);
});

test("a pod that comes after its start was given up is taken away, its finalizer last", async (t) => {
  const { server, creation, during, asked } = await setup(t);
  script(server, { "POST pods": [lost] });
  assert.equal((await failureOf(during(creation.create(startOf(), tokens, never)))).code, "UNAVAILABLE");
  const before = asked().length;
  script(server, { "GET pods": [status(404, "NotFound"), status(404, "NotFound"), pod("owner-token")], "PATCH pods": [pod("owner-token")], "DELETE pods": [pod("owner-token")] });
  await during(creation.clean(startOf(), tokens, never));
  assert.deepEqual(asked().slice(before), ["GET pods/ws-instance-1", "GET pods/ws-instance-1", "GET pods/ws-instance-1", "DELETE pods/ws-instance-1", "PATCH pods/ws-instance-1"]);
  assert.match(server.requests.at(-2)?.body ?? "", /"preconditions":\{"uid":"u1","resourceVersion":"7"\}/);
  assert.deepEqual(JSON.parse(server.requests.at(-1)?.body ?? ""), { metadata: { uid: "u1", finalizers: null } });
});

test("the same start again does not wait until the pod of the first can not come any more: it has its claim, and takes its pod, or its clean-up does", async (t) => {
  const { server, creation, during, asked } = await setup(t);
  const flags = startOf(["PERSISTENT_VOLUME_CLAIM"]);
  script(server, { "POST persistentvolumeclaims": [made], "POST pods": [lost] });
  await failureOf(during(creation.create(flags, tokens, never)));
  const again = new AbortController();
  script(server, { "GET pods": [(answer) => {
    again.abort();
    answer.status(404, "NotFound");
  }] });
  const before = asked().length;
  await during(creation.clean(flags, tokens, again.signal));
  assert.deepEqual(asked().slice(before), ["GET pods/ws-instance-1"]);
  script(server, { "POST persistentvolumeclaims": [status(409, "AlreadyExists")], "GET persistentvolumeclaims": [made], "POST pods": [status(403, "Forbidden")], "GET pods": [pod("owner-token")], "PATCH pods": [pod("owner-token")], "DELETE pods": [pod("owner-token")], "DELETE persistentvolumeclaims": [made] });
  assert.equal((await failureOf(during(creation.create(flags, tokens, never)))).code, "FAILED_PRECONDITION");
  await during(creation.clean(flags, tokens, never));
  assert.deepEqual(asked().slice(-3), ["DELETE pods/ws-instance-1", "PATCH pods/ws-instance-1", "DELETE persistentvolumeclaims/ws-instance-1"]);
});

test("a pod that is found for the clean-up just when the same start comes again is left to that one", async (t) => {
  const { server, creation, during, asked } = await setup(t);
  script(server, { "POST pods": [lost] });
  await failureOf(during(creation.create(startOf(), tokens, never)));
  const again = new AbortController();
  script(server, { "GET pods": [(answer) => {
    again.abort();
    pod("owner-token")(answer);
  }] });
  const before = asked().length;
  await during(creation.clean(startOf(), tokens, again.signal));
  assert.deepEqual(asked().slice(before), ["GET pods/ws-instance-1"]);
  script(server, { "POST pods": [status(409, "AlreadyExists")], "GET pods": [pod("owner-token")] });
  assert.equal((await during(creation.create(startOf(), tokens, never))).uid, "u1");
});

test("a pod of somebody else is left alone by the clean-up", async (t) => {
  const { server, creation, during, asked } = await setup(t);
  script(server, { "POST pods": [lost] });
  await failureOf(during(creation.create(startOf(), tokens, never)));
  const before = asked().length;
  script(server, { "GET pods": [pod("another")] });
  await during(creation.clean(startOf(), tokens, never));
  assert.deepEqual(asked().slice(before), ["GET pods/ws-instance-1"]);
});

test("the claim of a start whose pod is refused goes, also if its own creation was not answered", async (t) => {
  for (const claims of [[made], [lost, status(409, "AlreadyExists")]]) {
    const { server, creation, during, asked } = await setup(t);
    script(server, { "POST persistentvolumeclaims": claims, "GET persistentvolumeclaims": [asPosted(server)], "POST pods": [status(422, "Invalid")], "DELETE persistentvolumeclaims": [made] });
    assert.equal((await failureOf(during(creation.create(startOf(["PERSISTENT_VOLUME_CLAIM"]), tokens, never)))).code, "INVALID_ARGUMENT");
    await during(creation.clean(startOf(["PERSISTENT_VOLUME_CLAIM"]), tokens, never));
    assert.equal(asked().at(-1), "DELETE persistentvolumeclaims/ws-instance-1");
  }
});

test("a claim that comes after its start was given up is taken away; nobody else's is, and none that was there before", async (t) => {
  const flags = startOf(["PERSISTENT_VOLUME_CLAIM"]);
  const failed = async (): Promise<Setup> => {
    const world = await setup(t);
    script(world.server, { "POST persistentvolumeclaims": [lost] });
    assert.equal((await failureOf(world.during(world.creation.create(flags, tokens, never)))).code, "UNAVAILABLE");
    return world;
  };
  const [late, others, none] = [await failed(), await failed(), await failed()];
  script(late.server, { "GET persistentvolumeclaims": [status(404, "NotFound"), asPosted(late.server)], "DELETE persistentvolumeclaims": [made] });
  await late.during(late.creation.clean(flags, tokens, never));
  assert.deepEqual(late.asked().slice(-4), ["GET persistentvolumeclaims/ws-instance-1", "GET persistentvolumeclaims/ws-instance-1", "GET pods/ws-instance-1", "DELETE persistentvolumeclaims/ws-instance-1"]);
  script(others.server, { "GET persistentvolumeclaims": [made] });
  await others.during(others.creation.clean(flags, tokens, never));
  assert.equal(others.asked().at(-1), "GET persistentvolumeclaims/ws-instance-1");
  await none.during(none.creation.clean(flags, tokens, never));
  assert.equal(none.asked().at(-1), "GET persistentvolumeclaims/ws-instance-1");
  const before = await setup(t);
  script(before.server, { "POST persistentvolumeclaims": [lost, status(409, "AlreadyExists")], "GET persistentvolumeclaims": [made], "POST pods": [status(422, "Invalid")] });
  await failureOf(before.during(before.creation.create(flags, tokens, never)));
  await before.during(before.creation.clean(flags, tokens, never));
  assert.ok(!before.asked().some((each) => each.startsWith("DELETE")));
});

test("the claim goes also where the pod was looked for until it can not come any more", async (t) => {
  const { server, creation, during, asked } = await setup(t);
  const flags = startOf(["PERSISTENT_VOLUME_CLAIM"]);
  script(server, { "POST persistentvolumeclaims": [made], "POST pods": [lost] });
  await failureOf(during(creation.create(flags, tokens, never)));
  script(server, { "DELETE persistentvolumeclaims": [made] });
  await during(creation.clean(flags, tokens, never));
  assert.equal(asked().at(-1), "DELETE persistentvolumeclaims/ws-instance-1");
});

test("a clean-up that fails at one of the two that may still come does not look for the other one for ever", async (t) => {
  const { server, creation, during, clock, asked } = await setup(t);
  const flags = startOf(["PERSISTENT_VOLUME_CLAIM"]);
  script(server, { "POST persistentvolumeclaims": [made], "POST pods": [lost] });
  await failureOf(during(creation.create(flags, tokens, never)));
  script(server, { "POST persistentvolumeclaims": [lost] });
  await failureOf(during(creation.create(flags, tokens, never)));
  script(server, { "GET pods": [status(403, "Forbidden")] });
  await during(creation.clean(flags, tokens, never));
  const before = asked().length;
  for (let i = 0; i < 40; i++) {
    clock.advance(5_000);
    await new Promise(setImmediate);
  }
  // One may have been under way.
  assert.ok(asked().length <= before + 1, asked().slice(before).join());
});

test("a claim does not tell its start's token", async (t) => {
  const { server, creation, during } = await setup(t);
  script(server, { "POST persistentvolumeclaims": [made], "POST pods": [pod(tokens.owner)] });
  await during(creation.create(startOf(["PERSISTENT_VOLUME_CLAIM"]), tokens, never));
  assert.ok(!(server.requests[0]?.body ?? tokens.owner).includes(tokens.owner));
});

test("a claim that was there before is used and stays; one that is being deleted is no claim", async (t) => {
  const { server, creation, during, asked } = await setup(t);
  const flags = startOf(["PERSISTENT_VOLUME_CLAIM"]);
  script(server, { "POST persistentvolumeclaims": [status(409, "AlreadyExists")], "GET persistentvolumeclaims": [made], "POST pods": [status(422, "Invalid")] });
  await failureOf(during(creation.create(flags, tokens, never)));
  await during(creation.clean(flags, tokens, never));
  assert.ok(!asked().some((each) => each.startsWith("DELETE")));
  script(server, { "POST persistentvolumeclaims": [status(409, "AlreadyExists")], "GET persistentvolumeclaims": [(answer) => answer.json(200, { metadata: { uid: "c0", deletionTimestamp: "2026-01-01T00:00:00Z" } })] });
  assert.equal((await failureOf(during(creation.create(flags, tokens, never)))).code, "UNAVAILABLE");
});

test("a quota that others use at the same moment is tried again, and is nobody's pod", async (t) => {
  const { server, creation, during } = await setup(t);
  script(server, { "POST pods": [status(409, "Conflict"), pod("owner-token")] });
  assert.equal((await during(creation.create(startOf(), tokens, never))).uid, "u1");
});

test("what nobody waits for any more is not begun, and asked for by nothing; what was begun is finished", async (t) => {
  const { server, creation, during, asked } = await setup(t);
  const giveUp = new AbortController();
  giveUp.abort();
  script(server, { "POST persistentvolumeclaims": [made], "POST pods": [pod(tokens.owner)] });
  const flags = startOf(["PERSISTENT_VOLUME_CLAIM"]);
  assert.equal((await failureOf(during(creation.create(flags, tokens, giveUp.signal)))).code, "CANCELLED");
  await during(creation.clean(flags, tokens, never));
  assert.deepEqual(asked(), []);
  const late = new AbortController();
  script(server, { "POST persistentvolumeclaims": [(answer) => {
    late.abort();
    made(answer);
  }], "POST pods": [pod(tokens.owner)] });
  assert.equal((await during(creation.create(flags, tokens, late.signal))).uid, "u1");
  assert.deepEqual(asked(), ["POST persistentvolumeclaims", "POST pods"]);
});

test("a start that gets no answer, but whose pod the watch tells of, has succeeded: what may be in use is not taken away", async (t) => {
  const { server, creation, told, during } = await setup(t);
  script(server, { "POST pods": [(answer) => {
    Object.assign(told, { ownerToken: "owner-token", uid: "u1" });
    answer.reset();
  }, lost] });
  assert.equal((await during(creation.create(startOf(), tokens, never))).uid, "u1");
  // It was known before: it may be the one that an earlier attempt's clean-up has just removed.
  script(server, { "POST pods": [status(403, "Forbidden")] });
  await failureOf(during(creation.create(startOf(), tokens, never)));
});

test("a pod of a failed start that has been in use meanwhile is left with its claim, whoever uses it", async (t) => {
  const { server, creation, during, asked } = await setup(t);
  const used = (answer: Answer): void => answer.json(200, { metadata: { uid: "u1", annotations: { "gitpod/ownerToken": "owner-token" } } });
  script(server, { "POST persistentvolumeclaims": [made], "POST pods": [lost], "GET pods": [used] });
  await failureOf(during(creation.create(startOf(["PERSISTENT_VOLUME_CLAIM"]), tokens, never)));
  const before = asked().length;
  await during(creation.clean(startOf(["PERSISTENT_VOLUME_CLAIM"]), tokens, never));
  assert.deepEqual(asked().slice(before).filter((each) => !each.startsWith("GET")), []);
});
