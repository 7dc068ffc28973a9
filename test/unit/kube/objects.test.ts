/** Reads and writes of single objects: what is tried again, and what is not. */
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { KubeError } from "../../../src/main/kube/errors.ts";
import { isAlreadyThere, isConflict, isMissing, type Wish } from "../../../src/main/kube/objects.ts";
import type { FakeApiServer, Answer } from "../../support/fake-apiserver.ts";
import { startObjects, type ObjectsBench } from "./setup.ts";

const setup = (t: TestContext): Promise<ObjectsBench> => startObjects(t, { namespace: "a b", random: 1 });

const wish: Wish = { priority: "user", signal: new AbortController().signal };
const patch = { podName: "ws-1", uid: "u1", annotations: { a: "b", gone: null } };

/** Answers in turn; the last one again and again. */
function inTurn(server: FakeApiServer, ...answers: ((answer: Answer) => void)[]): void {
  let next = 0;
  server.handle = (answer) => answers[Math.min(next++, answers.length - 1)]?.(answer);
}

async function failureOf(work: Promise<unknown>): Promise<KubeError> {
  const error: unknown = await work.then(() => undefined, (reason: unknown) => reason);
  assert.ok(error instanceof KubeError, String(error));
  return error;
}

const pod = (uid: string) => (answer: Answer): void => answer.json(200, { metadata: { uid } });

test("an annotation is one small patch that names the pod's uid", async (t) => {
  const { server, objects } = await setup(t);
  server.handle = pod("u1");
  assert.equal(new TextDecoder().decode(await objects.annotate(patch, wish)), '{"metadata":{"uid":"u1"}}');
  assert.deepEqual(server.requests.map(({ method, path, headers, body }) => [method, path, headers["content-type"], body]), [
    ["PATCH", "/api/v1/namespaces/a%20b/pods/ws-1", "application/merge-patch+json", '{"metadata":{"uid":"u1","annotations":{"a":"b","gone":null}}}'],
  ]);
});

test("a patch whose answer no one needs is the same one, reads the answer to its end, and fails alike", async (t) => {
  const { server, objects, during } = await setup(t);
  inTurn(server, (answer) => answer.json(200, { metadata: { uid: "u1" }, spec: "x".repeat(300_000) }), (answer) => answer.status(503, "ServiceUnavailable"), pod("u1"), (answer) => answer.status(404, "NotFound"));
  assert.equal(await objects.note(patch, wish), undefined);
  await during(objects.note(patch, wish));
  assert.ok(isMissing(await failureOf(objects.note(patch, wish))));
  assert.deepEqual(server.requests.map(({ method, body }) => [method, body]), Array.from({ length: 4 }, () => ["PATCH", '{"metadata":{"uid":"u1","annotations":{"a":"b","gone":null}}}']));
});

test("what the API server can not do now is tried again, after the time that it asks for", async (t) => {
  const { server, objects, during, clock } = await setup(t);
  inTurn(server, (answer) => answer.status(503, "ServiceUnavailable", { headers: { "retry-after": "3" } }), (answer) => answer.reset(), (answer) => answer.status(409, "Conflict"), pod("u1"), pod("u1"));
  const from = clock.monotonic();
  await during(objects.annotate(patch, wish));
  assert.ok(clock.monotonic() - from >= 3000);
  assert.deepEqual(server.requests.map(({ method }) => method), ["PATCH", "PATCH", "PATCH", "GET", "PATCH"]);
});

test("a pod that is gone, and one that took its place, are missing; a version that was asked for and is not there any more is a conflict", async (t) => {
  const { server, objects } = await setup(t);
  inTurn(server, (answer) => answer.status(404, "NotFound"));
  assert.ok(isMissing(await failureOf(objects.annotate(patch, wish))));
  inTurn(server, (answer) => answer.status(409, "Conflict"), pod("u2"));
  assert.ok(isMissing(await failureOf(objects.annotate(patch, wish))));
  inTurn(server, (answer) => answer.status(409, "Conflict"), pod("u1"));
  assert.ok(isConflict(await failureOf(objects.annotate({ ...patch, resourceVersion: "7" }, wish))));
});

test("what never works is given up after its time, with the last reason, and what is refused for good at once", async (t) => {
  const { server, objects, during, clock } = await setup(t);
  server.handle = (answer) => answer.status(500, "InternalError");
  const from = clock.monotonic();
  assert.equal((await failureOf(during(objects.get("pods/x", wish), 100))).status, 500);
  assert.ok(clock.monotonic() - from >= 20_000);
  assert.ok(server.requests.length < 20, `${server.requests.length} requests`);
  const before = server.requests.length;
  server.handle = (answer) => answer.status(422, "Invalid");
  assert.equal((await failureOf(objects.annotate(patch, wish))).status, 422);
  // The patch, and a look whose pod it is.
  assert.equal(server.requests.length, before + 2);
});

test("a creation that was not answered is not done again unless it may be, one that was refused for the moment is", async (t) => {
  const { server, objects, during } = await setup(t);
  inTurn(server, (answer) => answer.reset());
  assert.equal((await failureOf(objects.create("pods", "{}", wish))).status, 0);
  assert.equal(server.requests.length, 1);
  inTurn(server, (answer) => answer.status(429, "TooManyRequests"), (answer) => answer.json(201, {}));
  await during(objects.create("pods", "{}", wish));
  assert.equal(server.requests.length, 3);
  inTurn(server, (answer) => answer.reset(), (answer) => answer.status(409, "Conflict"), (answer) => answer.status(409, "AlreadyExists"));
  assert.ok(isAlreadyThere(await failureOf(during(objects.create("pods", "{}", wish, { whetherOrNotAnswered: true })))));
  assert.equal(server.requests.length, 6);
});

test("any object can be changed by a merge patch, which is tried again", async (t) => {
  const { server, objects, during } = await setup(t);
  inTurn(server, (answer) => answer.reset(), (answer) => answer.json(200, { count: 2 }));
  assert.equal(new TextDecoder().decode(await during(objects.merge("events/x", { count: 2 }, wish))), '{"count":2}');
  assert.deepEqual(server.requests.map(({ method, path, headers, body }) => [method, path, headers["content-type"], body])[1], ["PATCH", "/api/v1/namespaces/a%20b/events/x", "application/merge-patch+json", '{"count":2}']);
});

test("the one who asks may give up at any time", async (t) => {
  const { server, objects } = await setup(t);
  const giveUp = new AbortController();
  server.handle = () => giveUp.abort();
  assert.equal((await failureOf(objects.get("pods/x", { ...wish, signal: giveUp.signal }))).reason, "Aborted");
});

test("a removal is of the one object that is meant; that it is gone, or another one, is fine", async (t) => {
  const { server, objects } = await setup(t);
  inTurn(server, pod("u1"), (each) => each.status(404, "NotFound"), (each) => each.status(409, "Conflict"), pod("u2"), (each) => each.status(409, "Conflict"), (each) => each.status(404, "NotFound"));
  const removed = async (): Promise<boolean> => (await objects.remove("/apis/x/v1/things/y", "u1", 0, wish)) !== undefined;
  assert.deepEqual([await removed(), await removed(), await removed(), await removed()], [true, false, false, false]);
  assert.deepEqual(server.requests.map(({ method, path }) => `${method} ${path}`).slice(0, 4), [...Array.from({ length: 3 }, () => "DELETE /apis/x/v1/things/y"), "GET /apis/x/v1/things/y"]);
  assert.deepEqual(JSON.parse(server.requests[0]?.body ?? ""), { kind: "DeleteOptions", apiVersion: "v1", gracePeriodSeconds: 0, preconditions: { uid: "u1" } });
});

test("a removal that conflicts while the object is still there is not taken for done", async (t) => {
  const { server, objects, during } = await setup(t);
  const conflict = (each: Answer): void => each.status(409, "Conflict");
  inTurn(server, conflict, pod("u1"), pod("u1"));
  await during(objects.remove("pods/ws-1", "u1", 0, wish));
  assert.deepEqual(server.requests.map(({ method }) => method), ["DELETE", "GET", "DELETE"]);
  inTurn(server, conflict, pod(""));
  await during(objects.remove("persistentvolumeclaims/ws-1", undefined, 0, wish));
  assert.deepEqual(server.requests.map(({ method }) => method).slice(3), ["DELETE", "DELETE"]);
  server.handle = (answer) => (server.requests.at(-1)?.method === "GET" ? pod("u1")(answer) : conflict(answer));
  assert.ok(isConflict(await failureOf(during(objects.remove("pods/ws-1", "u1", 0, wish), 500))), "and if it goes on, that is told");
});

test("a removal and a release can be of one version: another one is a conflict at once", async (t) => {
  const { server, objects } = await setup(t);
  server.handle = (answer) => (server.requests.at(-1)?.method === "GET" ? pod("u1")(answer) : answer.status(409, "Conflict"));
  assert.ok(isConflict(await failureOf(objects.remove("pods/ws-1", "u1", 0, wish, { resourceVersion: "7" }))));
  assert.deepEqual(JSON.parse(server.requests[0]?.body ?? ""), { kind: "DeleteOptions", apiVersion: "v1", gracePeriodSeconds: 0, preconditions: { uid: "u1", resourceVersion: "7" } });
  assert.ok(isConflict(await failureOf(objects.release("ws-1", "u1", wish, { resourceVersion: "8" }))));
  assert.deepEqual(JSON.parse(server.requests[2]?.body ?? ""), { metadata: { uid: "u1", resourceVersion: "8", finalizers: null } });
});

test("a release that is refused is told, unless the pod is another one", async (t) => {
  const { server, objects, during } = await setup(t);
  inTurn(server, (each) => each.status(422, "Invalid"), pod("u2"));
  assert.equal(await objects.release("ws-1", "u1", wish), undefined);
  inTurn(server, (each) => each.status(422, "Invalid"), pod("u1"));
  assert.equal((await failureOf(objects.release("ws-1", "u1", wish))).status, 422);
  inTurn(server, (each) => each.status(409, "Conflict"), pod("u1"), pod("u1"));
  assert.notEqual(await during(objects.release("ws-1", "u1", wish)), undefined);
});
