/** Calls of the image builder are passed on: bytes, metadata, deadlines, status, cancellation and back pressure, also while it goes and comes back. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test, type TestContext } from "node:test";
import { Client, credentials, Metadata, status } from "@grpc/grpc-js";
import type { StatusObject } from "@grpc/grpc-js";
import { asIs } from "../../../src/domain/as-is.ts";
import { failure, TestImageBuilder } from "../../support/image-builder.ts";
import { until } from "../../support/until.ts";
import { metricValue, startHarness, type Harness } from "./helpers.ts";

interface Setup extends Harness {
  readonly builder: TestImageBuilder;
  /** A plain client of the daemon, for headers and trailers. */
  readonly raw: Client;
}

async function setup(t: TestContext, options: Parameters<typeof startHarness>[1] = {}): Promise<Setup> {
  const builder = await new TestImageBuilder().start();
  t.after(() => builder.stop());
  const harness = await startHarness(t, { ...options, imageBuilder: builder.target });
  const raw = new Client(`127.0.0.1:${harness.server.port}`, credentials.createInsecure(), { "grpc.use_local_subchannel_pool": 1 });
  t.after(() => raw.close());
  return { ...harness, builder, raw };
}

const unary = "/builder.ImageBuilder/ResolveBaseImage";
const logs = "/builder.ImageBuilder/Logs";

function metadataOf(entries: Readonly<Record<string, string | Buffer>>): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(entries)) metadata.set(name, value);
  return metadata;
}

test("a unary call's bytes, headers and trailers go both ways", async (t) => {
  const { builder, raw } = await setup(t);
  const request = randomBytes(70_000);
  const answer = randomBytes(80_000);
  builder.answers = {
    unary(call, callback) {
      call.sendMetadata(metadataOf({ "x-answer": "hello", "x-answer-bin": Buffer.from([0, 255]) }));
      callback(null, answer, metadataOf({ "x-trailer": "bye" }));
    },
  };
  const headers = Promise.withResolvers<Metadata>();
  const ended = Promise.withResolvers<StatusObject>();
  const response = await new Promise<Buffer | undefined>((resolve) => {
    const call = raw.makeUnaryRequest(unary, asIs, asIs, request, metadataOf({ "x-owner": "jane", "x-owner-bin": Buffer.from([1, 0, 2]) }), (_error, value) => resolve(value));
    call.on("metadata", headers.resolve);
    call.on("status", ended.resolve);
  });
  assert.ok(response?.equals(answer));
  assert.ok(builder.calls[0]?.request.equals(request));
  assert.deepEqual(builder.calls[0]?.metadata.get("x-owner"), ["jane"]);
  assert.deepEqual(builder.calls[0]?.metadata.get("x-owner-bin"), [Buffer.from([1, 0, 2])]);
  assert.deepEqual((await headers.promise).get("x-answer"), ["hello"]);
  assert.deepEqual((await headers.promise).get("x-answer-bin"), [Buffer.from([0, 255])]);
  assert.deepEqual((await ended.promise).metadata.get("x-trailer"), ["bye"]);
});

test("all five methods are passed on, and other services stay as they are", async (t) => {
  const { builder, client, metrics } = await setup(t);
  builder.answers = {
    unary: (call, callback) => callback(null, call.request),
    stream(call) {
      call.write(call.request);
      call.end();
    },
  };
  for (const name of ["ResolveBaseImage", "ResolveWorkspaceImage", "ListBuilds"]) assert.equal((await client.unary(`/builder.ImageBuilder/${name}`, Buffer.from(name))).response.toString(), name);
  for (const name of ["Build", "Logs"]) {
    const stream = client.stream(`/builder.ImageBuilder/${name}`, Buffer.from(name)).read();
    assert.equal((await stream.status).code, status.OK);
    assert.deepEqual(stream.messages.map(String), [name]);
  }
  assert.deepEqual(builder.calls.map(({ method }) => method), ["ResolveBaseImage", "ResolveWorkspaceImage", "ListBuilds", "Build", "Logs"]);
  assert.equal((await client.wsman("DescribeCluster")).code, status.OK);
  assert.equal(await metricValue(metrics, "grpc_client_handled_total", 'grpc_type="server_stream",grpc_service="builder.ImageBuilder",grpc_method="Build",grpc_code="OK"'), 1);
  assert.equal(await metricValue(metrics, "grpc_server_handled_total", 'grpc_type="server_stream",grpc_service="builder.ImageBuilder",grpc_method="Build",grpc_code="OK"'), 1);
});

test("without an image builder its service is not there", async (t) => {
  const { client } = await startHarness(t);
  assert.equal((await client.unary(unary, Buffer.alloc(0))).code, status.UNIMPLEMENTED);
});

test("its failures are passed on with code, text and trailers, of streams after what came before", async (t) => {
  const { builder, client, raw } = await setup(t);
  builder.answers = {
    unary: (_call, callback) => callback(failure(status.NOT_FOUND, "no such image: größer", { "x-reason": "gone" })),
    stream(call) {
      for (let i = 0; i < 50; i++) call.write(Buffer.from(`line ${i}`));
      call.emit("error", failure(status.DATA_LOSS, "the build broke off"));
    },
  };
  const ended = await new Promise<StatusObject>((resolve) => raw.makeUnaryRequest(unary, asIs, asIs, Buffer.alloc(0), () => {}).on("status", resolve));
  assert.deepEqual([ended.code, ended.details, ended.metadata.get("x-reason")], [status.NOT_FOUND, "no such image: größer", ["gone"]]);
  const stream = client.stream(logs, Buffer.alloc(0)).read();
  assert.deepEqual(await stream.status, { code: status.DATA_LOSS, details: "the build broke off" });
  await until("all lines came", () => stream.messages.length === 50);
});

test("a client's deadline holds there too, and its cancellation ends the call there", async (t) => {
  const { builder, client } = await setup(t);
  const late = await client.unary(unary, Buffer.alloc(0), { deadline: Date.now() + 300 });
  assert.equal(late.code, status.DEADLINE_EXCEEDED);
  assert.ok((builder.calls[0]?.leftMs ?? Infinity) <= 300);
  await until("it is told of the deadline", () => builder.calls[0]?.cancelled === true);
  let cancel = (): void => {};
  const cancelled = client.unary(unary, Buffer.alloc(0), {}, (it) => (cancel = it));
  await until("the call came", () => builder.calls.length === 2);
  cancel();
  assert.equal((await cancelled).code, status.CANCELLED);
  await until("it is told of the cancellation", () => builder.calls[1]?.cancelled === true);
  builder.answers = { stream: (call) => void call.write(Buffer.from("first")) };
  const stream = client.stream(logs, Buffer.alloc(0)).read();
  await until("the first message came", () => stream.messages.length === 1);
  stream.call.cancel();
  await until("its stream is told too", () => builder.calls[2]?.cancelled === true);
});

test("a reader that does not read holds the image builder up, and then gets all", async (t) => {
  const { builder, client } = await setup(t);
  const message = Buffer.alloc(256 * 1024);
  const total = 400;
  let written = 0;
  builder.answers = {
    stream(call) {
      const go = (): void => {
        while (written < total) {
          message.writeUInt32BE(written++);
          if (!call.write(Buffer.from(message))) return void call.once("drain", go);
        }
        call.end();
      };
      go();
    },
  };
  const stream = client.stream(logs, Buffer.alloc(0)).stall();
  await stream.headers;
  let last = 0;
  let quiet = 0;
  await until("it waits for the reader", async () => {
    await new Promise((resolve) => setTimeout(resolve, 100));
    quiet = written === last && written > 0 ? quiet + 1 : 0;
    last = written;
    return quiet === 5;
  });
  // What is held here; as many messages as grpc-js takes ahead in the image builder and in the client; the windows of HTTP/2 and the sockets' buffers.
  const held = 4 * 1024 * 1024 + 17 * message.length;
  const underWay = 2 * 17 * message.length + 4 * 1024 * 1024;
  assert.ok(written * message.length <= held + underWay, `${written} messages of ${message.length} bytes were taken from the image builder`);
  stream.read();
  assert.equal((await stream.status).code, status.OK);
  await until("all messages came", () => stream.messages.length === total);
  assert.deepEqual(stream.messages.map((got) => got.readUInt32BE()), Array.from({ length: total }, (_, i) => i));
});

test("while the image builder is away calls fail, streams end, and soon after it is back they work again", async (t) => {
  const { builder, client } = await setup(t);
  builder.answers = { unary: (call, callback) => callback(null, call.request), stream: (call) => void call.write(Buffer.from("line")) };
  const stream = client.stream(logs, Buffer.alloc(0)).read();
  await until("the stream is there", () => stream.messages.length === 1);
  builder.stop();
  // Which of them depends on how it goes.
  assert.ok([status.UNAVAILABLE, status.CANCELLED].includes((await stream.status).code));
  assert.equal((await client.unary(unary, Buffer.alloc(0))).code, status.UNAVAILABLE);
  assert.equal((await client.wsman("DescribeCluster")).code, status.OK);
  await builder.start();
  await until("calls work again", async () => (await client.unary(unary, Buffer.from("back"))).response.toString() === "back");
});

test("limits of the configuration hold for it", async (t) => {
  const limit = { method: unary, block: false, bucketSize: 1, refillInterval: 3_600_000, keyCacheSize: 1 };
  const { builder, client } = await setup(t, { rateLimits: [limit, { ...limit, method: logs }] });
  builder.answers = { unary: (call, callback) => callback(null, call.request), stream: (call) => call.end() };
  assert.deepEqual([(await client.unary(unary, Buffer.alloc(0))).code, (await client.unary(unary, Buffer.alloc(0))).code], [status.OK, status.RESOURCE_EXHAUSTED]);
  assert.deepEqual([(await client.stream(logs, Buffer.alloc(0)).read().status).code, (await client.stream(logs, Buffer.alloc(0)).read().status).code], [status.OK, status.RESOURCE_EXHAUSTED]);
  assert.equal(builder.calls.length, 2);
});

test("messages may have 16 MiB and no more", async (t) => {
  const { builder, client } = await setup(t);
  builder.answers = { unary: (call, callback) => callback(null, call.request) };
  const most = 16 * 1024 * 1024;
  assert.equal((await client.unary(unary, Buffer.alloc(most))).response.length, most);
  assert.equal((await client.unary(unary, Buffer.alloc(most + 1))).code, status.RESOURCE_EXHAUSTED);
});
