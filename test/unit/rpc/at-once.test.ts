/** Calls that are answered beneath grpc-js: which are, that no one can tell, and that whatever is out of the ordinary goes its usual way. */
import assert from "node:assert/strict";
import type { IncomingHttpHeaders } from "node:http2";
import { test, type TestContext } from "node:test";
import { Server, status } from "@grpc/grpc-js";
import { systemClock, type Clock } from "../../../src/domain/clock.ts";
import { workspaceNotFound } from "../../../src/domain/errors.ts";
import { wsman } from "../../../src/gen/proto.js";
import { answerAtOnce } from "../../../src/main/rpc/at-once.ts";
import type { Steering } from "../../../src/main/rpc/ports.ts";
import type { RateLimit } from "../../../src/main/config/types.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { callOnce, connectHttp2, wireMessage } from "../../support/raw-http2.ts";
import { recordOf } from "../../support/results.ts";
import { until } from "../../support/until.ts";
import { metricValue, startHarness, type Harness } from "./helpers.ts";

const method = "MarkActive";
const path = `/wsman.WorkspaceManager/${method}`;

interface Setup extends Harness {
  /** How each call went that got to the activity, with what it said. */
  readonly told: [way: "at once" | "usual", id: string, closed: boolean][];
}

/** A server with a workspace "a". What is told of a closing has to be waited for. */
async function setup(t: TestContext, { rateLimits = [], clock = systemClock }: { readonly rateLimits?: readonly RateLimit[]; readonly clock?: Clock } = {}): Promise<Setup> {
  const told: Setup["told"] = [];
  const unused = (): never => assert.fail("nobody asks for this");
  const steering: Steering = {
    writer: {
      find(id) {
        if (id !== "a") throw workspaceNotFound(id);
        return recordOf(id, { id });
      },
      annotate: unused, change: unused,
    },
    activity: {
      mark({ facts }, closed) {
        told.push(["usual", facts.id, closed]);
        return closed ? Promise.resolve() : undefined;
      },
      markAtOnce({ facts }, closed) {
        if (!closed) told.push(["at once", facts.id, closed]);
        return !closed;
      },
    },
    starter: { start: unused, arrival: unused }, snapshots: { delete: unused }, nodes: { takeSnapshot: unused, backup: unused }, imageSpecs: { get: unused }, urls: { portUrlTemplate: "", hostURL: "" },
  };
  return { ...(await startHarness(t, { steering, rateLimits, clock })), told };
}

const request = (id: string, closed = false): Buffer => Buffer.from(wsman.MarkActiveRequest.encode({ id, closed }).finish());

/** Counts of calls: begun, ended, messages that came and went. */
async function counts({ metrics }: Harness, code = "OK"): Promise<readonly (number | undefined)[]> {
  const names = ["started_total", "msg_received_total", "msg_sent_total"].map((name) => metricValue(metrics, `grpc_server_${name}`, `grpc_method="${method}"`));
  return Promise.all([...names, metricValue(metrics, "grpc_server_handled_total", `grpc_method="${method}",grpc_code="${code}"`)]);
}

test("a call that has nothing to wait for is answered at once, and counted like any other", async (t) => {
  const harness = await setup(t);
  for (let i = 0; i < 3; i++) {
    const { code, response } = await harness.client.wsman(method, request("a"));
    assert.deepEqual([code, response.length], [status.OK, 0]);
  }
  assert.deepEqual(harness.told, Array.from({ length: 3 }, () => ["at once", "a", false]));
  assert.deepEqual(await counts(harness), [3, 3, 3, 3]);
});

test("one that has to wait, that fails, or that makes no sense is answered as ever, and counted once", async (t) => {
  const harness = await setup(t);
  const { client, told } = harness;
  assert.equal((await client.wsman(method, request("a", true))).code, status.OK);
  assert.deepEqual(told, [["usual", "a", true]]);
  assert.deepEqual(await counts(harness), [1, 1, 1, 1]);
  const { code, details } = await client.wsman(method, request("b"));
  assert.deepEqual([code, details], [status.NOT_FOUND, "workspace b does not exist"]);
  assert.equal((await client.wsman(method, Buffer.from([0x0b]))).code, status.INVALID_ARGUMENT);
  harness.reader.synced = false;
  assert.equal((await client.wsman(method, request("a"))).code, status.UNAVAILABLE);
  assert.equal(told.length, 1);
  assert.deepEqual(await counts(harness, "NotFound"), [4, 4, 1, 1]);
});

test("whatever the bytes and headers are, the answer is that of grpc-js", async (t) => {
  const { server, told } = await setup(t);
  const sound = wireMessage(request("a"));
  const cases: readonly (readonly [what: string, expected: string, body: Uint8Array, headers?: { readonly [name: string]: string }])[] = [
    ["a sound call", "200/0", sound],
    ["a deadline", "200/0", sound, { "grpc-timeout": "10S" }],
    ["a deadline that is none", "200/13", sound, { "grpc-timeout": "soon" }],
    ["another content type", "415/", sound, { "content-type": "text/plain" }],
    ["an encoding that is not used", "200/0", sound, { "grpc-encoding": "gzip" }],
    ["no message", "200/12", Buffer.alloc(0)],
    ["half a prefix", "200/12", Buffer.alloc(3)],
    ["two messages", "200/12", Buffer.concat([sound, sound])],
    ["a length beyond the message", "200/12", wireMessage(request("a"), { length: 100 })],
    ["a message that is too large", "200/3", wireMessage(Buffer.concat([request("a"), Buffer.alloc(70_000, 0x1a)]))],
    ["a message that is compressed with nothing known", "200/12", wireMessage(request("a"), { compressed: 1 }), { "grpc-encoding": "snappy" }],
  ];
  for (const [what, expected, body, headers] of cases) assert.equal(await callOnce(server.port, method, body, headers), expected, what);
  assert.deepEqual(told, Array.from({ length: 3 }, () => ["at once", "a", false]));
});

test("a request that comes in pieces is put together, and its deadline is kept while it comes", async (t) => {
  const clock = new FakeClock();
  const harness = await setup(t, { clock });
  const session = connectHttp2(harness.server.port);
  t.after(() => session.destroy());
  const begin = (headers = {}): { readonly stream: ReturnType<typeof session.request>; readonly code: Promise<string> } => {
    const stream = session.request({ ":method": "POST", ":path": path, "content-type": "application/grpc", te: "trailers", ...headers });
    stream.on("error", () => undefined).resume();
    const code = new Promise<string>((resolve) => {
      stream.on("trailers", (trailers: IncomingHttpHeaders) => resolve(String(trailers["grpc-status"])));
      stream.on("response", (given) => given["grpc-status"] !== undefined && resolve(String(given["grpc-status"])));
    });
    return { stream, code };
  };
  const message = wireMessage(request("a"));
  const pieces = begin();
  for (const byte of message) await new Promise((resolve) => pieces.stream.write(Buffer.from([byte]), resolve));
  pieces.stream.end();
  assert.equal(await pieces.code, "0");
  const apart = begin();
  await new Promise((resolve) => setImmediate(resolve));
  apart.stream.end(message);
  assert.equal(await apart.code, "0");
  assert.deepEqual(harness.told, [["usual", "a", false], ["at once", "a", false]]);
  // Whole, but the client does not say that this was all.
  const open = begin({ "grpc-timeout": "100m" });
  open.stream.write(message);
  const passing = setInterval(() => clock.advance(10), 1);
  t.after(() => clearInterval(passing));
  assert.equal(await open.code, String(status.DEADLINE_EXCEEDED));
  const gone = begin();
  gone.stream.write(message.subarray(0, 7));
  await until("it has begun", async () => (await counts(harness))[0] === 4);
  gone.stream.close(8);
  // A reset ends what the client says, too: grpc-js may come upon either first. The deadline, which this clock knows nothing of, is one of them.
  const ended = async (code: string): Promise<number> => (await counts(harness, code))[3] ?? 0;
  await until("it is counted as ended", async () => (await ended("Canceled")) + (await ended("Unimplemented")) === 2);
  const silent = begin();
  await new Promise((resolve) => setImmediate(resolve));
  silent.stream.close(8);
  await until("one that says nothing is, too", async () => (await ended("Canceled")) + (await ended("Unimplemented")) === 3);
  assert.equal((await counts(harness))[0], 5);
  assert.equal(harness.told.length, 2);
});

test("many calls at once on one connection are all answered, among others", async (t) => {
  const { client, told, reader } = await setup(t);
  const answers = await Promise.all(Array.from({ length: 500 }, (_, i) => client.wsman(i % 5 === 0 ? "DescribeWorkspace" : method, request(i % 7 === 0 ? "b" : "a"))));
  assert.ok(reader.synced);
  answers.forEach(({ code }, i) => assert.equal(code, i % 5 === 0 || i % 7 === 0 ? status.NOT_FOUND : status.OK));
  assert.equal(told.length, answers.filter(({ code }) => code === status.OK).length);
});

test("a method with a limit keeps it", async (t) => {
  const { client, told } = await setup(t, { rateLimits: [{ method: path, block: false, bucketSize: 1, refillInterval: 3_600_000, keyCacheSize: 10 }] });
  assert.equal((await client.wsman(method, request("a"))).code, status.OK);
  assert.equal((await client.wsman(method, request("a"))).code, status.RESOURCE_EXHAUSTED);
  assert.deepEqual(told, [["usual", "a", false]]);
});

test("a server that is not what it was taken for is left as it is", () => {
  const server = new Server();
  assert.equal(answerAtOnce(server, [], systemClock), false);
});
