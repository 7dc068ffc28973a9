/** Calls of the load tool's client, against real servers: what counts as an answer, and what does not. */
import assert from "node:assert/strict";
import { createServer } from "node:http2";
import type { ServerHttp2Stream } from "node:http2";
import { after, test } from "node:test";
import { Server, ServerCredentials, status } from "@grpc/grpc-js";
import type { handleUnaryCall } from "@grpc/grpc-js";
import { asIs } from "../../../src/domain/as-is.ts";
import { GrpcConnection } from "../../../src/bench/load/grpc-stream.ts";
import { callUnary } from "../../../src/bench/load/grpc-unary.ts";

const methodOf = (name: string) => ({ path: `/test.Test/${name}`, requestStream: false, responseStream: false, requestSerialize: asIs, requestDeserialize: asIs, responseSerialize: asIs, responseDeserialize: asIs } as const);
const echo: handleUnaryCall<Buffer, Buffer> = (call, callback) => callback(null, call.request);
const large: handleUnaryCall<Buffer, Buffer> = (call, callback) => callback(null, Buffer.alloc(call.request.readUInt32BE(), call.request[4]));
const fail: handleUnaryCall<Buffer, Buffer> = (_, callback) => callback({ code: status.NOT_FOUND, details: "no" });

const server = new Server();
server.addService({ echo: methodOf("Echo"), large: methodOf("Large"), fail: methodOf("Fail") }, { echo, large, fail });
const port = await new Promise<number>((resolve, reject) => server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) => (error ? reject(error) : resolve(bound))));
after(() => server.forceShutdown());

/** What servers do that do not behave: by path. */
const misbehaviour: Readonly<Record<string, (stream: ServerHttp2Stream) => void>> = {
  "/two": (stream) => answer(stream, [message("a"), message("b")]),
  "/none": (stream) => answer(stream, []),
  "/reset": (stream) => {
    stream.respond({ ":status": 200 }, { waitForTrailers: true });
    stream.write(message("a"), () => stream.close(8));
  },
  "/no-trailers": (stream) => {
    stream.respond({ ":status": 200 });
    stream.end(message("a"));
  },
  "/away": (stream) => stream.session?.destroy(),
};
const bad = createServer();
bad.on("stream", (stream, headers) => misbehaviour[headers[":path"] ?? ""]?.(stream));
const badPort = await new Promise<number>((resolve) => bad.listen(0, "127.0.0.1", () => {
  const address = bad.address();
  resolve(typeof address === "object" && address ? address.port : 0);
}));
after(() => bad.close());

function message(text: string): Buffer {
  return Buffer.concat([Buffer.from([0, 0, 0, 0, text.length]), Buffer.from(text)]);
}

function answer(stream: ServerHttp2Stream, messages: readonly Buffer[]): void {
  stream.respond({ ":status": 200 }, { waitForTrailers: true });
  stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
  for (const each of messages) stream.write(each);
  stream.end();
}

function connect(t: { after(run: () => void): void }, to = port): GrpcConnection {
  const connection = new GrpcConnection({ host: "127.0.0.1", port: to }, Buffer.alloc(256 * 1024));
  t.after(() => connection.close());
  return connection;
}

async function call(connection: GrpcConnection, path: string, request: Uint8Array = Buffer.alloc(0)): Promise<{ readonly ok: boolean; readonly why: string; readonly answer: Buffer | undefined }> {
  let answer: Buffer | undefined;
  const end = await callUnary(connection, path, request, (bytes, start, stop) => {
    answer = Buffer.from(bytes.subarray(start, stop));
  });
  return { ...end, answer };
}

test("an answer is one message and then trailers, also an empty one, many on one connection at the same time", async (t) => {
  const connection = connect(t);
  const requests = Array.from({ length: 50 }, (_, i) => Buffer.alloc(i * 10, i));
  const answers = await Promise.all(requests.map((request) => call(connection, "/test.Test/Echo", request)));
  assert.deepEqual(answers, requests.map((request) => ({ ok: true, why: "", answer: request })));
});

test("answers of many megabytes come whole, beside one another", async (t) => {
  const connection = connect(t);
  const sizes = [5_000_000, 16 * 1024 * 1024, 70_000, 3_000_000];
  const answers = await Promise.all(sizes.map((size, i) => {
    const request = Buffer.alloc(5, i + 1);
    request.writeUInt32BE(size);
    return call(connection, "/test.Test/Large", request);
  }));
  answers.forEach(({ ok, answer }, i) => assert.ok(ok && answer?.equals(Buffer.alloc(sizes[i] ?? 0, i + 1))));
});

test("what fails is told as failed: by a status, by none, with too many messages or too few, by a reset, by the end of the connection", async (t) => {
  const refused = await call(connect(t), "/test.Test/Fail");
  assert.deepEqual([refused.ok, refused.answer], [false, undefined]);
  assert.match(refused.why, /refused/);
  for (const [path, why] of [["/two", /2 messages/], ["/none", /0 messages/], ["/reset", /reset \(8\)/], ["/no-trailers", /without a status/], ["/away", /closed/]] as const) {
    const { ok, why: told } = await call(connect(t, badPort), path);
    assert.equal(ok, false, path);
    assert.match(told, why);
  }
});
