/** What a failed start left: nothing stays of it, and nothing goes that anybody uses, whatever is answered, and whoever starts the same meanwhile. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Answer } from "../../support/fake-apiserver.ts";
import { RecordingLog } from "../kube/helpers.ts";
import { asPosted, failureOf, lost, made, never, pod, script, setup, startOf, status, tokens, type Setup } from "./creation-world.ts";

const flags = startOf(["PERSISTENT_VOLUME_CLAIM"]);
const [theClaim, thePod] = ["persistentvolumeclaims/ws-instance-1", "pods/ws-instance-1"];
/** A pod that another replica has made with the claim of the same name. */
const another = (answer: Answer): void => answer.json(200, { metadata: { uid: "u2", labels: { "gitpod.io/pvcFeature": "true" }, annotations: { "gitpod/ownerToken": "another", "gitpod/never-ready": "true" } } });
const gone = status(404, "NotFound");
/** Our pod, which another start was answered with. */
const joined = pod("owner-token", { resourceVersion: "8", annotations: { "gitpod/ownerToken": "owner-token", "gitpod/never-ready": "true", "gitpod.io/joined": "true" } });
const quota = (answer: Answer): void => answer.status(403, "Forbidden", { message: "exceeded quota" });
const removals = ({ asked }: Setup): readonly string[] => asked().filter((each) => each.startsWith("DELETE"));

/** A start that fails, cleaned up. */
async function fail(world: Setup, answers: Parameters<typeof script>[1], code: string): Promise<void> {
  script(world.server, answers);
  assert.equal((await failureOf(world.during(world.creation.create(flags, tokens, never)))).code, code);
  await world.during(world.creation.clean(flags, tokens, never), 100);
}

test("a claim with which another replica has made its pod meanwhile stays, however this start has failed", async (t) => {
  const cases = [
    { posts: [status(409, "AlreadyExists")], looks: [another], code: "ALREADY_EXISTS" },
    // It may have ended before it is looked at again: what becomes of its claim is its own matter.
    { posts: [status(409, "AlreadyExists")], looks: [another, gone], code: "ALREADY_EXISTS" },
    { posts: [lost], looks: [another], code: "UNAVAILABLE" },
    { posts: [quota], looks: [another], code: "RESOURCE_EXHAUSTED" },
  ];
  for (const { posts, looks, code } of cases) {
    const world = await setup(t);
    await fail(world, { "POST persistentvolumeclaims": [made], "POST pods": posts, "GET pods": looks, "DELETE persistentvolumeclaims": [made] }, code);
    assert.deepEqual(removals(world), [], code);
  }
});

test("a claim that no pod uses goes, also where the name is taken by a pod without one", async (t) => {
  const world = await setup(t);
  await fail(world, { "POST persistentvolumeclaims": [made], "POST pods": [status(409, "AlreadyExists")], "GET pods": [pod("another")], "DELETE persistentvolumeclaims": [made] }, "ALREADY_EXISTS");
  assert.deepEqual(removals(world), [`DELETE ${theClaim}`]);
});

test("a claim's removal that has to be tried again later is not, if another replica has made its pod by then", async (t) => {
  const world = await setup(t);
  const later = (answer: Answer): void => answer.status(503, "ServiceUnavailable", { headers: { "retry-after": "3" } });
  await fail(world, { "POST persistentvolumeclaims": [made], "POST pods": [quota], "GET pods": [gone, another], "DELETE persistentvolumeclaims": [later, made] }, "RESOURCE_EXHAUSTED");
  assert.deepEqual(removals(world), [`DELETE ${theClaim}`]);
  assert.equal(world.asked().at(-1), `GET ${thePod}`);
});

test("the pod of a request that was not answered is looked for also where it was asked for again and refused", async (t) => {
  const world = await setup(t);
  await fail(world, { "POST persistentvolumeclaims": [made], "POST pods": [lost, quota], "GET pods": [gone, pod("owner-token"), gone], "PATCH pods": [made], "DELETE pods": [pod("owner-token")], "DELETE persistentvolumeclaims": [made] }, "RESOURCE_EXHAUSTED");
  assert.deepEqual(removals(world), [`DELETE ${thePod}`, `DELETE ${theClaim}`]);
});

test("an image build that another replica has answered a start with stays, also where that comes between the look and the deletion", async (t) => {
  for (const looks of [[joined], [pod("owner-token"), joined]]) {
    const world = await setup(t);
    await fail(world, { "POST persistentvolumeclaims": [made], "POST pods": [lost, quota], "GET pods": looks, "PATCH pods": [made], "DELETE pods": [status(409, "Conflict")], "DELETE persistentvolumeclaims": [made] }, "RESOURCE_EXHAUSTED");
    assert.deepEqual(removals(world), looks.length === 1 ? [] : [`DELETE ${thePod}`]);
    assert.ok(!world.asked().some((each) => each.startsWith("PATCH")), "and it keeps its finalizer");
  }
});

test("a pod that a node has by the time it is deleted keeps its finalizer and its claim: what is on the node ends as that of any workspace", async (t) => {
  const deletion = { deletionTimestamp: "2024-01-01T00:00:00Z" };
  const taken = pod("owner-token", deletion, { nodeName: "node-1" });
  for (const looks of [[pod("owner-token")], [taken]]) {
    const world = await setup(t);
    await fail(world, { "POST persistentvolumeclaims": [made], "POST pods": [lost], "GET pods": looks, "DELETE pods": [taken], "DELETE persistentvolumeclaims": [made] }, "UNAVAILABLE");
    assert.deepEqual(world.asked().filter((each) => each.startsWith("PATCH")), []);
    assert.deepEqual(removals(world), looks[0] === taken ? [] : [`DELETE ${thePod}`]);
  }
});

test("the same start again is not told of the pod that the clean-up has deleted and that ends on its node", async (t) => {
  const { server, creation, during } = await setup(t);
  const going = pod("owner-token", { deletionTimestamp: "2024-01-01T00:00:00Z" }, { nodeName: "node-1" });
  script(server, { "POST pods": [lost] });
  assert.equal((await failureOf(during(creation.create(startOf(), tokens, never)))).code, "UNAVAILABLE");
  script(server, { "GET pods": [pod("owner-token", {}, { nodeName: "node-1" })], "DELETE pods": [going] });
  assert.equal(await during(creation.clean(startOf(), tokens, never)), "u1");
  script(server, { "POST pods": [status(409, "AlreadyExists")], "GET pods": [going] });
  assert.equal((await failureOf(during(creation.create(startOf(), tokens, never)))).code, "ALREADY_EXISTS");
});

test("one without a node that could only be deleted loses its finalizer when the same start comes again", async (t) => {
  const { server, creation, during, asked } = await setup(t);
  const going = pod("owner-token", { deletionTimestamp: "2024-01-01T00:00:00Z" });
  script(server, { "POST pods": [status(409, "AlreadyExists")], "GET pods": [going], "PATCH pods": [going] });
  assert.equal((await failureOf(during(creation.create(startOf(), tokens, never)))).code, "ALREADY_EXISTS");
  assert.equal(await during(creation.clean(startOf(), tokens, never)), undefined);
  assert.equal(asked().at(-1), `PATCH ${thePod}`);
});

test("a pod that changes between the look and its removal is looked at again, for it may be in use by then", async (t) => {
  const world = await setup(t);
  const ready = pod("owner-token", { annotations: { "gitpod/ownerToken": "owner-token" } });
  await fail(world, { "POST persistentvolumeclaims": [made], "POST pods": [lost], "GET pods": [pod("owner-token"), pod("owner-token"), ready], "DELETE pods": [status(409, "Conflict")], "PATCH pods": [made] }, "UNAVAILABLE");
  assert.deepEqual(removals(world), [`DELETE ${thePod}`]);
  assert.deepEqual(world.asked().filter((each) => each.startsWith("PATCH")), []);
});

test("so is the claim of one that a server was too ill to answer", async (t) => {
  const world = await setup(t);
  await fail(world, { "POST persistentvolumeclaims": [status(500, "InternalError"), quota], "GET persistentvolumeclaims": [gone, asPosted(world.server)], "DELETE persistentvolumeclaims": [made] }, "RESOURCE_EXHAUSTED");
  assert.deepEqual(removals(world), [`DELETE ${theClaim}`]);
});

/** An answer that is there only while the API server is not away. */
function unlessAway({ clock }: Setup, until: () => number, answer: (answer: Answer) => void): (answer: Answer) => void {
  return (each) => (clock.monotonic() < until() ? each.status(503, "ServiceUnavailable") : answer(each));
}

test("what a start left is removed once the API server is back, as long as that is within a minute", async (t) => {
  for (const { posts, code } of [{ posts: [lost], code: "UNAVAILABLE" }, { posts: [quota], code: "RESOURCE_EXHAUSTED" }]) {
    const log = new RecordingLog();
    const world = await setup(t, log);
    script(world.server, { "POST persistentvolumeclaims": [made], "POST pods": posts });
    assert.equal((await failureOf(world.during(world.creation.create(flags, tokens, never)))).code, code);
    const back = world.clock.monotonic() + 50_000;
    script(world.server, { "GET pods": [unlessAway(world, () => back, gone)], "DELETE persistentvolumeclaims": [unlessAway(world, () => back, made)] });
    await world.during(world.creation.clean(flags, tokens, never), 100);
    assert.equal(world.asked().at(-1), `DELETE ${theClaim}`, code);
    assert.deepEqual(log.entries, []);
  }
});

test("an API server that stays away ends the clean-up within two minutes, which the log tells", async (t) => {
  const log = new RecordingLog();
  const world = await setup(t, log);
  script(world.server, { "POST persistentvolumeclaims": [made], "POST pods": [lost] });
  assert.equal((await failureOf(world.during(world.creation.create(flags, tokens, never)))).code, "UNAVAILABLE");
  script(world.server, { "GET pods": [status(503, "ServiceUnavailable")] });
  const from = world.clock.monotonic();
  await world.during(world.creation.clean(flags, tokens, never), 100);
  const took = world.clock.monotonic() - from;
  assert.ok(took >= 60_000 && took <= 125_000, `${took} ms`);
  assert.deepEqual(new Set(log.entries.map(({ level, message }) => `${level}: ${message}`)), new Set(["error: what a failed start made could not be removed"]));
});
