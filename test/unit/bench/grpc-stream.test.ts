/** Tests of the load tool's stream reader against a real grpc-js server. */
import { after, test } from "node:test";
import assert from "node:assert/strict";
import { Metadata, Server, ServerCredentials, status } from "@grpc/grpc-js";
import type { ServerWritableStream } from "@grpc/grpc-js";
import { asIs } from "../../../src/domain/as-is.ts";
import { GrpcConnection } from "../../../src/bench/load/grpc-stream.ts";
import { createAuthority } from "../../support/certs.ts";
import { until } from "../../support/until.ts";

type Call = ServerWritableStream<Buffer, Buffer>;
const server = new Server();
const calls: Call[] = [];
const authority = await createAuthority("test authority");
server.addService({ stream: { path: "/test.Test/Stream", requestStream: false, responseStream: true, requestSerialize: asIs, requestDeserialize: asIs, responseSerialize: asIs, responseDeserialize: asIs } }, {
  stream: (call: Call) => {
    calls.push(call);
    call.sendMetadata(new Metadata());
  },
});
const port = await new Promise<number>((resolve, reject) => server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) => (error ? reject(error) : resolve(bound))));
const pair = await authority.issue("localhost", { usage: "server" });
const credentials = ServerCredentials.createSsl(Buffer.from(authority.crt), [{ cert_chain: Buffer.from(pair.crt), private_key: Buffer.from(pair.key) }], true);
const securePort = await new Promise<number>((resolve, reject) => server.bindAsync("127.0.0.1:0", credentials, (error, bound) => (error ? reject(error) : resolve(bound))));
after(() => server.forceShutdown());

/** A call whose messages, opening and end are kept. */
function begin(connection: GrpcConnection, request = Buffer.alloc(0), metadata: Record<string, string> = {}): { readonly messages: Buffer[]; readonly ended: string[]; readonly opened: () => boolean } {
  const messages: Buffer[] = [];
  const ended: string[] = [];
  let opened = false;
  connection.call("/test.Test/Stream", request, metadata, {
    message: (bytes, start, end) => void messages.push(Buffer.from(bytes.subarray(start, end))),
    opened: () => {
      opened = true;
    },
    ended: (why) => void ended.push(why),
  });
  return { messages, ended, opened: () => opened };
}

function connect(): GrpcConnection {
  return new GrpcConnection({ host: "127.0.0.1", port }, Buffer.alloc(64 * 1024));
}

/** The server's side of the next calls. */
async function served(count: number): Promise<readonly Call[]> {
  await until("the calls", () => calls.length >= count);
  return calls.splice(0);
}

test("request and metadata arrive, headers are noticed, and messages come whole and in order, whatever their size", async () => {
  const connection = connect();
  const stream = begin(connection, Buffer.from("hello"), { "x-long": "v".repeat(300) });
  const [call] = await served(1);
  assert.ok(call);
  assert.equal(call.request.toString(), "hello");
  assert.deepEqual(call.metadata.get("x-long"), ["v".repeat(300)]);
  await until("the headers", stream.opened);
  const sent = [0, 1, 700, 16_384, 200_000, 3].map((size, i) => Buffer.alloc(size, i + 65));
  for (const message of sent) call.write(message);
  await until("all messages", () => stream.messages.length === sent.length);
  assert.deepEqual(stream.messages, sent);
  connection.close();
});

test("the same over TLS, with a client certificate", async () => {
  const { crt: cert, key } = await authority.issue("load-tool", { usage: "client" });
  const connection = new GrpcConnection({ host: "localhost", port: securePort, tls: { ca: authority.crt, cert, key } }, Buffer.alloc(64 * 1024));
  const stream = begin(connection);
  const [call] = await served(1);
  call?.write(Buffer.alloc(100_000, 7));
  await until("a message", () => stream.messages.length === 1);
  assert.deepEqual(stream.messages, [Buffer.alloc(100_000, 7)]);
  connection.close();
});

test("a server that wants a client certificate is told of in words", async () => {
  const connection = new GrpcConnection({ host: "localhost", port: securePort, tls: { ca: authority.crt, cert: undefined, key: undefined } }, Buffer.alloc(1024));
  const call = begin(connection);
  await until("its end", () => call.ended.length > 0);
  assert.deepEqual(call.ended, ["TLS: tlsv13 alert certificate required"]);
});

test("flow control goes on for longer than any window", async () => {
  const connection = connect();
  const streams = [begin(connection), begin(connection)];
  const message = Buffer.alloc(10_000, 1);
  const count = 400;
  for (const call of await served(2)) {
    for (let i = 0; i < count; i++) if (!call.write(message)) await new Promise((resolve) => call.once("drain", resolve));
  }
  await until("all messages", () => streams.every(({ messages }) => messages.length === count));
  connection.close();
});

test("requests of more than any window go out one after the other as the server takes them, also those of several frames", async () => {
  const connection = connect();
  const requests = Array.from({ length: 60 }, (_, i) => Buffer.alloc(i % 2 === 0 ? 40_000 : 60_000, i));
  for (const request of requests) begin(connection, request);
  const taken = await served(60);
  assert.deepEqual(taken.map(({ request }) => request), requests);
  connection.close();
});

test("a request that is larger than a stream's window is refused", () => {
  const connection = connect();
  assert.throws(() => begin(connection, Buffer.alloc(65_536)), RangeError);
  connection.close();
});

test("the end of a stream is told once, and others of the connection go on", async () => {
  const connection = connect();
  const [first, second] = [begin(connection), begin(connection)];
  const [one, two] = await served(2);
  one?.emit("error", { code: status.UNAVAILABLE, details: "bye" });
  await until("the end", () => first.ended.length > 0);
  two?.write(Buffer.from("still here"));
  await until("a message", () => second.messages.length === 1);
  connection.close();
  assert.equal(first.ended.length, 1);
  assert.deepEqual(second.ended, ["closed"]);
});

test("a stalled connection takes nothing from its socket", async () => {
  const connection = connect();
  const stream = begin(connection);
  const [call] = await served(1);
  await until("the headers", stream.opened);
  connection.stall();
  let full = false;
  await until("the server to be held up", () => {
    full ||= call?.write(Buffer.alloc(10_000)) === false;
    return full;
  });
  // What was on its way when it stalled may have come.
  assert.ok(stream.messages.length <= 1, `${stream.messages.length}`);
  connection.close();
});

test("a server that is not there ends every call, those that begin later too", async () => {
  const connection = new GrpcConnection({ host: "127.0.0.1", port: 1 }, Buffer.alloc(1024));
  const stream = begin(connection);
  await until("the end", () => stream.ended.length > 0);
  assert.match(stream.ended[0] ?? "", /ECONNREFUSED/);
  assert.equal(begin(connection).ended.length, 1);
});
