/** The client: credentials that are renewed, deadlines, bounds, errors, what hooks are told. */
import assert from "node:assert/strict";
import { describe, test, type TestContext } from "node:test";
import { KubeClient, failure, type KubeClientOptions, type RequestRecord } from "../../../src/main/kube/client.ts";
import type { AccessSource } from "../../../src/main/kube/credentials.ts";
import { KubeError } from "../../../src/main/kube/errors.ts";
import { podFetcher } from "../../../src/main/kube/pods.ts";
import { describeRequest } from "../../../src/main/kube/requestinfo.ts";
import { FakeApiServer, statusObject } from "../../support/fake-apiserver.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { until } from "../../support/until.ts";
import { fixedAccess, plainAccess } from "./setup.ts";

const never = new AbortController().signal;

async function start(t: TestContext, options: Partial<KubeClientOptions> & { access?: (url: string) => AccessSource } = {}): Promise<{ server: FakeApiServer; client: KubeClient; clock: FakeClock }> {
  const server = await new FakeApiServer().start();
  const clock = new FakeClock();
  const client = new KubeClient({ credentials: options.access?.(server.url) ?? fixedAccess(plainAccess(server.url)), clock, ...options });
  t.after(async () => {
    await client.close();
    await server.stop();
  });
  return { server, client, clock };
}

async function rejection(promise: Promise<unknown>): Promise<KubeError> {
  const error: unknown = await promise.then(() => undefined, (reason: unknown) => reason);
  assert.ok(error instanceof KubeError, `rejects with a KubeError, not ${String(error)}`);
  return error;
}

describe("requests", () => {
  test("go out with method, query, headers and body, and give status, headers and bytes back unread", async (t) => {
    const { server, client } = await start(t, { access: (url) => fixedAccess({ ...plainAccess(url, "t1"), basePath: "/prefix" }) });
    server.handle = (answer) => answer.json(201, { any: "thing" }, { "x-thing": "1" });
    const response = await client.request({ method: "PATCH", path: "/api/v1/x", query: { a: "b c&d", none: undefined }, headers: { "content-type": "application/merge-patch+json" }, body: "{}", signal: never });
    assert.equal(response.status, 201);
    assert.equal(response.headers["x-thing"], "1");
    assert.equal(Buffer.from(await response.body.bytes(100, 1000)).toString(), '{"any":"thing"}');
    const [seen] = server.requests;
    assert.deepEqual([seen?.method, seen?.path, seen?.query.get("a"), seen?.query.has("none"), seen?.body], ["PATCH", "/prefix/api/v1/x", "b c&d", false, "{}"]);
    assert.equal(seen?.headers["authorization"], "Bearer t1");
    assert.equal(seen?.headers["content-type"], "application/merge-patch+json");
  });

  test("that may not be sent any more when their turn comes are not: neither behind others nor over a connection that is free", async (t) => {
    const { server, client } = await start(t, { maxConnections: 1 });
    const waiting: (() => void)[] = [];
    server.handle = (answer) => void waiting.push(() => answer.json(200, {}));
    const first = client.getRaw("/api/v1/first", { signal: never });
    await until("the first is at the server", () => waiting.length === 1);
    let allowed = true;
    const behind = rejection(client.request({ method: "DELETE", path: "/api/v1/behind", signal: never, may: () => allowed }));
    allowed = false;
    waiting[0]?.();
    await first;
    assert.equal((await behind).reason, "Aborted");
    const free = rejection(client.request({ method: "DELETE", path: "/api/v1/free", signal: never, may: () => false }));
    assert.equal((await free).reason, "Aborted");
    const third = client.getRaw("/api/v1/third", { signal: never });
    await until("the third is at the server", () => waiting.length === 2);
    waiting[1]?.();
    await third;
    assert.deepEqual(server.requests.map(({ path }) => path), ["/api/v1/first", "/api/v1/third"]);
  });

  test("share connections instead of making one each", async (t) => {
    const { server, client } = await start(t);
    server.handle = (answer) => answer.json(200, {});
    for (let i = 0; i < 20; i++) await client.getRaw("/api/v1/x", { signal: never });
    assert.ok(server.connections <= 2, `${server.connections} connections`);
  });

  test("beyond the connections wait, and beyond the bound on requests are refused as retryable", async (t) => {
    const { server, client } = await start(t, { maxConnections: 2, maxRequests: 4 });
    const waiting: (() => void)[] = [];
    server.handle = (answer) => void waiting.push(() => answer.json(200, {}));
    const running = Array.from({ length: 4 }, async () => client.getRaw("/api/v1/x", { signal: never }));
    await until("two requests at the server", () => waiting.length === 2);
    const refused = await rejection(client.getRaw("/api/v1/x", { signal: never }));
    assert.deepEqual([refused.reason, refused.retryable], ["Busy", true]);
    server.handle = (answer) => answer.json(200, {});
    for (const go of waiting) go();
    await Promise.all(running);
    await client.getRaw("/api/v1/x", { signal: never });
    assert.equal(server.connections, 2);
  });

  test("have their time for the answer from when they were sent, and as much to wait for a connection", async (t) => {
    const { server, client, clock } = await start(t, { maxConnections: 1 });
    const waiting: (() => void)[] = [];
    server.handle = (answer) => void waiting.push(() => answer.json(200, {}));
    const get = async (timeoutMs: number): Promise<unknown> => client.getRaw("/api/v1/x", { signal: never, timeoutMs });
    const first = get(60_000);
    await until("the first is at the server", () => waiting.length === 1);
    const second = get(10_000);
    const third = rejection(get(10_000));
    // Both have their credentials, and wait.
    await new Promise(setImmediate);
    clock.advance(8_000);
    waiting[0]?.();
    await first;
    await until("the second is at the server", () => waiting.length === 2);
    clock.advance(8_000);
    assert.equal((await third).reason, "Timeout");
    waiting[1]?.();
    await second;
  });

  test("end when their signal aborts: before, while waiting for headers, and within the body", async (t) => {
    const { server, client } = await start(t);
    assert.equal((await rejection(client.getRaw("/a", { signal: AbortSignal.abort() }))).reason, "Aborted");
    server.handle = () => undefined;
    const first = new AbortController();
    const pending = client.getRaw("/b", { signal: first.signal });
    await until("request at the server", () => server.requests.some(({ path }) => path === "/b"));
    first.abort();
    assert.equal((await rejection(pending)).reason, "Aborted");
    server.handle = (answer) => void answer.open().raw("x");
    const second = new AbortController();
    const response = await client.request({ method: "GET", path: "/c", signal: second.signal });
    const body = response.body.bytes(10, 1000);
    second.abort();
    assert.equal((await rejection(body)).reason, "Aborted");
  });

  test("that are not answered in time end with a retryable timeout", async (t) => {
    const { server, client, clock } = await start(t);
    server.handle = () => undefined;
    const pending = client.getRaw("/x", { signal: never, timeoutMs: 5000 });
    await until("request at the server", () => server.requests.length === 1);
    clock.advance(5000);
    const error = await rejection(pending);
    assert.deepEqual([error.reason, error.status, error.retryable], ["Timeout", 0, true]);
  });

  test("to a server that is not there end with its system error", async (t) => {
    const { server, client } = await start(t);
    await server.stop();
    const error = await rejection(client.getRaw("/x", { signal: never }));
    assert.deepEqual([error.reason, error.status, error.retryable], ["ECONNREFUSED", 0, true]);
  });

  test("after close are refused, and those under way end", async (t) => {
    const { server, client } = await start(t);
    server.handle = () => undefined;
    const pending = rejection(client.getRaw("/x", { signal: never }));
    await until("request at the server", () => server.requests.length === 1);
    await client.close();
    assert.equal((await pending).status, 0);
    assert.equal((await rejection(client.getRaw("/x", { signal: never }))).reason, "Closed");
  });
});

describe("bodies", () => {
  test("over the limit are refused", async (t) => {
    const { server, client } = await start(t);
    server.handle = (answer) => answer.json(200, "x".repeat(1000));
    assert.equal((await rejection(client.getRaw("/x", { signal: never, limit: 999 }))).reason, "TooLarge");
    assert.equal((await client.getRaw("/x", { signal: never, limit: 1002 })).length, 1002);
  });

  test("that break off are an error, not a short body", async (t) => {
    const { server, client } = await start(t);
    server.handle = (answer) => {
      answer.open().raw("half");
      setTimeout(() => answer.reset(), 5);
    };
    const error = await rejection(client.getRaw("/x", { signal: never }));
    assert.ok(error.retryable);
  });

  test("of errors become KubeErrors with reason and Retry-After; without a Status only the code is told", async (t) => {
    const { server, client, clock } = await start(t);
    const answers: [unknown, Record<string, string>][] = [[statusObject(409, "Conflict"), {}], [statusObject(429, "TooManyRequests"), { "retry-after": "3" }], ["<html>secret proxy page", {}], [[1], {}]];
    const errors: KubeError[] = [];
    for (const [body, headers] of answers) {
      const code = headers["retry-after"] ? 429 : 409;
      server.handle = (answer) => answer.json(code, body, headers);
      errors.push(await failure(await client.request({ method: "GET", path: "/x", signal: never }), clock));
    }
    assert.deepEqual(errors.map(({ status, reason, retryAfterMs, retryable }) => [status, reason, retryAfterMs, retryable]), [
      [409, "Conflict", undefined, false], [429, "TooManyRequests", 3000, true], [409, "", undefined, false], [409, "", undefined, false],
    ]);
    assert.ok(!errors[2]?.message.includes("secret"));
  });

  test("of validation errors name the fields, not the values", async (t) => {
    const { server, client } = await start(t);
    server.handle = (answer) => answer.status(422, "Invalid", { message: 'Pod is invalid: spec.x: "s3cret"', details: { causes: [{ field: "spec.x", message: "s3cret" }, { field: "spec.y" }, null] } });
    const error = await rejection(client.getRaw("/x", { signal: never }));
    assert.ok(error.message.includes("spec.x, spec.y") && !error.message.includes("s3cret"), error.message);
  });
});

describe("credentials", () => {
  /** A server that takes one token only, and credentials that renew from the first to the second. */
  async function tokens(t: TestContext, good: string): Promise<{ server: FakeApiServer; client: KubeClient; renewals: () => number }> {
    let renewals = 0;
    const { server, client } = await start(t, {
      access: (url) => {
        const [old, fresh] = [plainAccess(url, "old"), plainAccess(url, "fresh")];
        let valid = old;
        return { current: async () => valid, renew: async () => { renewals++; return (valid = fresh); } };
      },
    });
    server.handle = (answer) => (answer.request.headers["authorization"] === `Bearer ${good}` ? answer.json(200, { ok: true }) : answer.status(401, "Unauthorized"));
    return { server, client, renewals: () => renewals };
  }

  test("refused with 401 are renewed, and the request is sent once more, body and all", async (t) => {
    const { server, client } = await tokens(t, "fresh");
    const response = await client.request({ method: "POST", path: "/x", body: '{"a":1}', signal: never });
    assert.equal(response.status, 200);
    response.body.discard();
    assert.deepEqual(server.requests.map(({ body }) => body), ['{"a":1}', '{"a":1}']);
  });

  test("refused again give the 401, after one renewal", async (t) => {
    const { server, client, renewals } = await tokens(t, "another");
    const error = await rejection(client.getRaw("/x", { signal: never }));
    assert.deepEqual([error.status, server.requests.length, renewals()], [401, 2, 1]);
    assert.ok(!JSON.stringify(error, Object.getOwnPropertyNames(error)).includes("fresh"));
  });

  test("that can not be read are told without a request", async (t) => {
    const { server, client } = await start(t, { access: () => ({ current: async () => Promise.reject(new Error("no file")), renew: async (access) => access }) });
    const error = await rejection(client.getRaw("/x", { signal: never }));
    assert.deepEqual([error.reason, error.retryable, server.requests.length], ["Credentials", true, 0]);
  });
});

describe("hooks", () => {
  test("every request is told with verb, resource and code; the Date header is reported", async (t) => {
    const records: RequestRecord[] = [];
    const dates: number[] = [];
    const { server, client } = await start(t, { hooks: { onRequest: (record) => void records.push(record), observe: (ms) => void dates.push(ms) } });
    server.handle = (answer) => answer.json(answer.request.method === "GET" ? 200 : 409, {}, { date: "Tue, 01 Jul 2025 10:00:00 GMT" });
    await client.getRaw("/api/v1/namespaces/default/pods", { signal: never });
    (await client.request({ method: "POST", path: "/api/v1/namespaces/default/pods", signal: never })).body.discard();
    server.handle = (answer) => answer.json(200, {}, { date: "not a date" });
    await client.getRaw("/healthz", { signal: never });
    await server.stop();
    await rejection(client.getRaw("/apis/a.b/v1/things/x/status", { signal: never }));
    assert.deepEqual(records.map(({ verb, resource, code }) => [verb, resource, code]), [
      ["list", "pods", "200"], ["create", "pods", "409"], ["list", "", "200"], ["get", "things/status", "error"],
    ]);
    assert.deepEqual(dates, [Date.UTC(2025, 6, 1, 10), Date.UTC(2025, 6, 1, 10)]);
  });

  test("verbs and resources are those of the path, without names", () => {
    const cases: [string, string, boolean, string, string][] = [
      ["GET", "/api/v1/namespaces/n/pods", true, "watch", "pods"],
      ["GET", "/api/v1/namespaces/n/pods/p", false, "get", "pods"],
      ["PATCH", "/api/v1/namespaces/n/pods/p/status", false, "patch", "pods/status"],
      ["DELETE", "/api/v1/nodes/n", false, "delete", "nodes"],
      ["GET", "/api/v1/namespaces", false, "list", "namespaces"],
      ["GET", "/api/v1/namespaces/n", false, "get", "namespaces"],
      ["PUT", "/apis/coordination.k8s.io/v1/namespaces/n/leases/l", false, "update", "leases"],
      ["GET", "/version", false, "list", ""],
    ];
    for (const [method, path, watch, verb, resource] of cases) assert.deepEqual(describeRequest(method, path, watch), { verb, resource }, path);
  });
});

describe("single pods", () => {
  test("are read as they are; undefined if there is none; other failures reject", async (t) => {
    const { server, client } = await start(t);
    const fetchPod = podFetcher(client, "name space");
    server.handle = (answer) => (answer.request.path === "/api/v1/namespaces/name%20space/pods/a%2Fb" ? answer.json(200, { kind: "Pod" }) : answer.status(404, "NotFound"));
    assert.equal(Buffer.from((await fetchPod("a/b", never)) ?? []).toString(), '{"kind":"Pod"}');
    assert.equal(await fetchPod("c", never), undefined);
    assert.equal(await fetchPod("..", never), undefined);
    server.handle = (answer) => answer.status(500, "InternalError");
    assert.equal((await rejection(fetchPod("a", never))).status, 500);
  });
});
