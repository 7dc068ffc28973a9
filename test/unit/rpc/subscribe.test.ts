/** Subscribe, over real connections: headers, frames, backpressure, every way in which a stream can end. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { status } from "@grpc/grpc-js";
import { WsmanError } from "../../../src/domain/errors.ts";
import { wsman } from "../../../src/gen/proto.js";
import { flushTimeoutMs } from "../../../src/main/rpc/stream-adapter.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { TestClient } from "../../support/grpc-client.ts";
import { until } from "../../support/until.ts";
import { messageIn } from "../../../src/main/state/frame.ts";
import { frameOf, metricValue, startHarness } from "./helpers.ts";
import type { FakeSubscriber, Harness } from "./helpers.ts";

const subscribeLabels = 'grpc_type="server_stream",grpc_service="wsman.WorkspaceManager",grpc_method="Subscribe"';

async function subscribed(harness: Harness, n = 0): Promise<FakeSubscriber> {
  await until("the subscriber to arrive", () => harness.hub.subscribers.length > n);
  const subscriber = harness.hub.subscribers[n];
  assert.ok(subscriber);
  return subscriber;
}

/** Writes so much that it waits until the client reads: grpc-js takes 16 messages ahead, flow control lets 64 KiB through. Gives how many frames. */
function fill(subscriber: FakeSubscriber): number {
  const taken = Array.from({ length: 40 }, () => subscriber.stream.write(frameOf("x", "y".repeat(64 * 1024))));
  assert.equal(taken.at(-1), false);
  return taken.length;
}

test("a client hears that it is subscribed before anything changes", async (t) => {
  const harness = await startHarness(t);
  harness.reader.synced = false;
  const stream = harness.client.subscribe().read();
  await stream.headers;
  assert.equal(harness.hub.subscribers.length, 1);
  assert.deepEqual(stream.messages, []);
  stream.call.cancel();
});

test("the hub gets filter, metadata and the client's address", async (t) => {
  const harness = await startHarness(t);
  const request = wsman.SubscribeRequest.encode({ mustMatch: { owner: "o", annotations: { a: "b" } } }).finish();
  const streams = [harness.client.subscribe(request, { "wsman-initial-state": "true" }), harness.client.subscribe(new Uint8Array(), { "wsman-initial-state": "false" }), harness.client.subscribe()];
  const first = await subscribed(harness);
  assert.deepEqual(first.filter, { owner: "o", metaId: "", annotations: new Map([["a", "b"]]) });
  await subscribed(harness, 2);
  assert.deepEqual(harness.hub.subscribers.map(({ options }) => options.initialState), [true, false, false]);
  assert.match(first.options.client, /^127\.0\.0\.1:\d+$/);
  for (const stream of streams) stream.call.cancel();
});

test("frames arrive as they were written, in order", async (t) => {
  const harness = await startHarness(t);
  const stream = harness.client.subscribe().read();
  const { stream: writer } = await subscribed(harness);
  const frames = Array.from({ length: 10 }, (_, i) => frameOf(`${i}`));
  for (const frame of frames) assert.equal(writer.write(frame), true);
  await until("the frames to arrive", () => stream.messages.length === frames.length);
  assert.deepEqual(stream.messages, frames.map(messageIn));
  assert.equal(await metricValue(harness.metrics, "grpc_server_msg_sent_total", subscribeLabels), 10);
  stream.call.cancel();
});

test("a stream whose client does not read says so, and says when it can take more", async (t) => {
  const harness = await startHarness(t);
  const stream = harness.client.subscribe().stall();
  const subscriber = await subscribed(harness);
  let taken = 1;
  while (subscriber.stream.write(frameOf("small", "y".repeat(1000)))) taken++;
  assert.ok(taken <= 66, `${taken} frames of 1 kB were taken at once`);
  await until("the stream to drain into flow control", () => subscriber.drains === 1);
  taken += fill(subscriber);
  await harness.client.wsman("DescribeCluster");
  assert.equal(subscriber.drains, 1);
  stream.read();
  await until("the stream to drain", () => subscriber.drains === 2);
  assert.equal(subscriber.stream.write(frameOf("after")), true);
  await until("everything to arrive", () => stream.messages.length === taken + 1);
  stream.call.cancel();
});

test("random bytes are INVALID_ARGUMENT or a subscription; too large a filter is INVALID_ARGUMENT", async (t) => {
  const { client } = await startHarness(t);
  for (let i = 0; i < 60; i++) {
    const stream = client.subscribe(randomBytes(1 + i));
    await stream.headers.then(
      () => stream.call.cancel(),
      () => {},
    );
    assert.ok([status.INVALID_ARGUMENT, status.CANCELLED].includes((await stream.status).code));
  }
  const large = await client.subscribe(wsman.SubscribeRequest.encode({ mustMatch: { owner: "x".repeat(1024 * 1024) } }).finish()).status;
  assert.equal(large.code, status.INVALID_ARGUMENT);
  assert.match(large.details, /the request takes 1048\d+ bytes/);
});

test("what the hub refuses, the client is told", async (t) => {
  const harness = await startHarness(t);
  harness.hub.refusal = new WsmanError("RESOURCE_EXHAUSTED", "too many subscribers");
  const ended = await harness.client.subscribe().status;
  assert.deepEqual([ended.code, ended.details], [status.RESOURCE_EXHAUSTED, "too many subscribers"]);
  await until("the stream to be forgotten", () => harness.server.openStreams === 0);
});

test("the subscription hears exactly once that a client has cancelled, and writing then is harmless", async (t) => {
  const harness = await startHarness(t);
  const stream = harness.client.subscribe().stall();
  const subscriber = await subscribed(harness);
  fill(subscriber);
  stream.call.cancel();
  await until("the subscription to hear of it", () => subscriber.closes > 0);
  assert.equal(subscriber.stream.write(frameOf("late")), false);
  subscriber.stream.end("stalled");
  subscriber.stream.end("shutdown");
  await until("the call to be counted", async () => (await metricValue(harness.metrics, "grpc_server_handled_total", `${subscribeLabels},grpc_code="Canceled"`)) === 1);
  assert.equal(subscriber.closes, 1);
  assert.equal(harness.server.openStreams, 0);
});

for (const reason of ["stalled", "overflow"] as const) {
  test(`a client that does not read is ended with RESOURCE_EXHAUSTED (${reason}), at once`, async (t) => {
    const harness = await startHarness(t);
    const stream = harness.client.subscribe().stall();
    const other = harness.client.subscribe().read();
    const subscriber = await subscribed(harness);
    fill(subscriber);
    subscriber.stream.end(reason);
    await until("the subscription to be closed", () => subscriber.closes === 1);
    assert.equal(harness.server.openStreams, 1);
    stream.read();
    assert.equal((await stream.status).code, status.RESOURCE_EXHAUSTED);
    assert.equal(await metricValue(harness.metrics, "grpc_server_handled_total", `${subscribeLabels},grpc_code="ResourceExhausted"`), 1);
    const { stream: writer } = await subscribed(harness, 1);
    writer.write(frameOf("still"));
    await until("the other stream on the connection to go on", () => other.messages.length === 1);
    other.call.cancel();
    assert.deepEqual(harness.log.lines, []);
  });
}

test("a shutdown ends a stream with UNAVAILABLE, after what was written", async (t) => {
  const harness = await startHarness(t);
  const stream = harness.client.subscribe().read();
  const subscriber = await subscribed(harness);
  for (let i = 0; i < 20; i++) subscriber.stream.write(frameOf(`${i}`));
  subscriber.stream.end("shutdown");
  assert.equal(subscriber.stream.write(frameOf("late")), false);
  const ended = await stream.status;
  assert.equal(ended.code, status.UNAVAILABLE);
  assert.match(ended.details, /shutting down/);
  assert.equal(stream.messages.length, 20);
  await until("the subscription to be closed", () => subscriber.closes === 1);
});

test("a shutdown does not wait for a client that does not read longer than 5 s", async (t) => {
  const clock = new FakeClock();
  const harness = await startHarness(t, { clock });
  const stream = harness.client.subscribe().stall();
  const subscriber = await subscribed(harness);
  fill(subscriber);
  subscriber.stream.end("shutdown");
  clock.advance(flushTimeoutMs - 1);
  await harness.client.wsman("DescribeCluster");
  assert.equal(subscriber.closes, 0);
  clock.advance(1);
  await until("the subscription to be closed", () => subscriber.closes === 1);
  stream.read();
  assert.equal((await stream.status).code, status.UNAVAILABLE);
});

/** Memory after full garbage collections; needs none of Node's flags. */
async function heapInUse(): Promise<number> {
  const { setFlagsFromString } = await import("node:v8");
  const { runInNewContext } = await import("node:vm");
  setFlagsFromString("--expose-gc");
  const collect: unknown = runInNewContext("gc");
  assert.ok(typeof collect === "function");
  for (let i = 0; i < 3; i++) {
    await new Promise((resolve) => setImmediate(resolve));
    Reflect.apply(collect, undefined, []);
  }
  const { heapUsed, external, arrayBuffers } = process.memoryUsage();
  return heapUsed + external + arrayBuffers;
}

test("what was waiting for a stalled client is freed when it is ended, though the client stays", async (t) => {
  const harness = await startHarness(t);
  // They are kept, so that what they have taken stays: only what waits in the server can be freed.
  const streams = Array.from({ length: 20 }, () => harness.client.subscribe().stall());
  await subscribed(harness, streams.length - 1);
  const subscribers = harness.hub.subscribers.splice(0);
  for (const subscriber of subscribers) for (let i = 0; i < 40; i++) subscriber.stream.write(Buffer.alloc(64 * 1024));
  const full = await heapInUse();
  for (const subscriber of subscribers.splice(0)) subscriber.stream.end("stalled");
  await until("the streams to be closed", () => harness.server.openStreams === 0);
  const freed = full - (await heapInUse());
  // Of each one's 40 frames the client has taken 16 and a few that are under way.
  assert.ok(freed > streams.length * 20 * 64 * 1024, `${freed} bytes were freed`);
});

async function comeAndGo(t: TestContext, harness: Harness, count: number): Promise<void> {
  const clients = Array.from({ length: 10 }, () => new TestClient(harness.server.port));
  t.after(() => clients.forEach((client) => client.close()));
  const first = harness.hub.subscribers.length;
  const streams = clients.flatMap((client) => Array.from({ length: count / clients.length }, () => client.subscribe()));
  await Promise.all(streams.map((stream) => stream.headers));
  await until("everyone to be subscribed", () => harness.hub.subscribers.length === first + count);
  assert.equal(harness.server.openStreams, count);
  // Half of them cancel, the other half's connections vanish.
  streams.forEach((stream, i) => i % 2 === 0 && stream.call.cancel());
  for (const client of clients) client.close();
  for (const stream of streams) stream.call.cancel();
  await until("everyone to be gone", () => harness.server.openStreams === 0);
}

test("a thousand subscribers that come and vanish leave nothing behind", async (t) => {
  const harness = await startHarness(t);
  await comeAndGo(t, harness, 1000);
  assert.equal(harness.hub.subscribers.filter(({ closes }) => closes === 1).length, 1000);
  harness.hub.subscribers.length = 0;
  const before = await heapInUse();
  for (let i = 0; i < 3; i++) {
    await comeAndGo(t, harness, 1000);
    harness.hub.subscribers.length = 0;
  }
  const grown = (await heapInUse()) - before;
  // Well below what 3,000 calls take while they are open (about 30 kB each on both sides).
  assert.ok(grown < 6 * 1024 * 1024, `${grown} bytes more in use`);
  assert.equal((await harness.client.wsman("DescribeCluster")).code, status.OK);
});
