/** Clients that send what they should not, vanish, or do not read: the running daemon answers clearly, goes on streaming to the others, and stays small. */
import assert from "node:assert/strict";
import { connect, type Socket } from "node:net";
import { test } from "node:test";
import { connect as connectTls } from "node:tls";
import { deflateSync, gzipSync } from "node:zlib";
import { status as code } from "@grpc/grpc-js";
import { seededRandom } from "../../src/embedded/kubelet/random.ts";
import { TestClient } from "../support/grpc-client.ts";
import { podIn, served } from "../support/pods.ts";
import { beginCall, callOnce, connectHttp2, wireMessage } from "../support/raw-http2.ts";
import { rawSetup, type RawSetup } from "../support/raw-setup.ts";
import { until } from "../support/until.ts";

const empty = wireMessage(new Uint8Array());
const methods = ["GetWorkspaces", "StartWorkspace", "StopWorkspace", "DescribeWorkspace", "BackupWorkspace", "Subscribe", "MarkActive", "SetTimeout", "ControlPort", "TakeSnapshot", "ControlAdmission", "DeleteVolumeSnapshot", "UpdateSSHKey", "DescribeCluster"];
/** What the daemon may come to hold in all these tests, MiB; a flood that is not bounded takes thousands. */
const bearableMiB = 1000;

/** So many good workspaces more, all of them streamed. */
async function addWorkspaces({ cluster, stream, change }: RawSetup, count: number): Promise<void> {
  for (let i = 0; i < count; i++) cluster.put(`ws-more-${i}`, JSON.stringify(served(podIn("running", `more-${i}`), cluster.next())));
  await change();
  assert.equal(stream.lasts().size, count + 1);
}

async function assertSmall({ daemon, assertSound }: RawSetup): Promise<void> {
  assertSound();
  assert.deepEqual(daemon.log().filter((entry) => entry["level"] !== "info"), []);
  const peak = await daemon.peakMiB();
  assert.ok(peak < bearableMiB, `${peak} MiB`);
}

/** Resolves when only the good subscriber is left. */
async function onlyOneSubscriber({ daemon }: RawSetup): Promise<void> {
  await until("the others are gone", async () => (await daemon.metric("wsmand_subscribers")) === 1);
}

test("random bytes to every method are answered with a status that says what is wrong", async (t) => {
  const setup = await rawSetup(t);
  const client = new TestClient(setup.daemon.rpcPort);
  t.after(() => client.close());
  const random = seededRandom(7);
  for (const method of methods) {
    const expected = method === "DescribeCluster" ? [code.OK] : [code.INVALID_ARGUMENT, code.NOT_FOUND];
    for (let length = 20; length < 400; length += 20) {
      const bytes = Uint8Array.from({ length }, () => Math.floor(random() * 256));
      const answer = await client.wsman(method, bytes);
      assert.ok(expected.includes(answer.code), `${method}: ${answer.code} ${answer.details}`);
      if (["GetWorkspaces", "DescribeWorkspace", "Subscribe"].includes(method)) assert.match(answer.details, /^cannot decode the request as wsman\./);
    }
  }
  for (const path of ["/", "//", "/__proto__/x", "/wsman.WorkspaceManager/__proto__", "/wsman.WorkspaceManager/constructor", `/${"x".repeat(10_000)}`]) {
    assert.equal((await client.unary(path, new Uint8Array())).code, code.UNIMPLEMENTED);
  }
  for (const method of ["GetWorkspaces", "Subscribe", "DescribeWorkspace"]) {
    const tooLarge = await client.wsman(method, Buffer.alloc(16 * 1024 * 1024 + 1));
    assert.equal(tooLarge.code, code.RESOURCE_EXHAUSTED);
    assert.match(tooLarge.details, /larger than max/);
    assert.equal((await client.wsman(method, Buffer.alloc(64 * 1024, 0x0b))).code, code.INVALID_ARGUMENT, "groups without end");
  }
  await setup.change();
  await assertSmall(setup);
});

test("calls that break the rules of gRPC are refused, each with its own status", async (t) => {
  const setup = await rawSetup(t);
  const bomb = Buffer.alloc(200_000_000);
  const text = Buffer.from("abc");
  const cases: readonly (readonly [what: string, expected: string, body: Uint8Array, headers?: { readonly [name: string]: string }])[] = [
    ["a sound call", "200/0", empty],
    ["no message", "200/12", new Uint8Array()],
    ["two messages", "200/12", Buffer.concat([empty, empty])],
    ["a length beyond the limit", "200/8", wireMessage(text, { length: 0xffffffff })],
    ["a length beyond the message", "200/12", wireMessage(text, { length: 10 })],
    ["another content type", "415/", empty, { "content-type": "text/plain" }],
    ["a deadline that is none", "200/13", empty, { "grpc-timeout": "abc" }],
    ["a deadline of ages", "200/0", empty, { "grpc-timeout": "99999999H" }],
    ["an encoding that is unknown", "200/12", wireMessage(text, { compressed: 1 }), { "grpc-encoding": "snappy" }],
    ["an encoding that was not used", "200/13", wireMessage(text, { compressed: 1 }), { "grpc-encoding": "gzip" }],
    ["a gzip bomb", "200/8", wireMessage(gzipSync(bomb), { compressed: 1 }), { "grpc-encoding": "gzip" }],
    ["a deflate bomb", "200/8", wireMessage(deflateSync(bomb), { compressed: 1 }), { "grpc-encoding": "deflate" }],
    ["metadata that is not base64", "200/0", empty, { "x-bin": "%%%%" }],
    ["metadata of 60 KiB", "200/0", empty, { "x-large": "y".repeat(60 * 1024) }],
  ];
  for (const [what, expected, body, headers] of cases) assert.equal(await callOnce(setup.daemon.rpcPort, "GetWorkspaces", body, headers), expected, what);
  await setup.change();
  await assertSmall(setup);
});

test("connections that do not speak HTTP/2 are closed, and those that say nothing disturb no one", async (t) => {
  const setup = await rawSetup(t);
  const { rpcPort } = setup.daemon;
  const sockets: Socket[] = [];
  t.after(() => sockets.forEach((socket) => socket.destroy()));
  const open = (bytes: string | Buffer): Promise<void> => {
    const socket = connect(rpcPort, "127.0.0.1");
    sockets.push(socket);
    socket.on("error", () => undefined);
    socket.resume();
    if (bytes.length > 0) socket.write(bytes);
    return new Promise((resolve) => socket.once("close", resolve));
  };
  const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  await Promise.all([
    open("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), open(Buffer.alloc(10_000, 0xff)), open(preface.replace("SM", "MS")),
    open(Buffer.concat([Buffer.from(preface), Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]), Buffer.alloc(1000, 0xee)])),
  ]);
  const greeted = connectTls({ port: rpcPort, host: "127.0.0.1", rejectUnauthorized: false });
  await new Promise((resolve) => greeted.once("error", resolve));
  for (let i = 0; i < 300; i++) void open(["", "PRI * HT", preface][i % 3] ?? "");
  await setup.change();
  await assertSmall(setup);
});

test("10,000 subscribers that connect and vanish leave nothing behind", async (t) => {
  const setup = await rawSetup(t);
  const { rpcPort } = setup.daemon;
  await addWorkspaces(setup, 200);
  for (let round = 0; round < 9; round++) {
    const session = connectHttp2(rpcPort);
    const streams = Array.from({ length: 1000 }, (_, i) => beginCall(session, "Subscribe", empty, i % 2 === 0 ? { "wsman-initial-state": "true" } : {}));
    if (round % 3 > 0) await new Promise((resolve) => streams[500]?.once("response", resolve));
    if (round % 2 === 0) session.destroy();
    else streams.forEach((stream) => stream.close(8));
    if (round % 3 === 0) await setup.change();
    t.after(() => session.destroy());
  }
  const sessions = Array.from({ length: 500 }, () => connectHttp2(rpcPort));
  t.after(() => sessions.forEach((session) => session.destroy()));
  for (const session of sessions) for (let i = 0; i < 2; i++) beginCall(session, "Subscribe", empty);
  await until("they are there", async () => (await setup.daemon.metric("wsmand_subscribers")) === 1001);
  await setup.change();
  for (const session of sessions) session.destroy();
  await onlyOneSubscriber(setup);
  await setup.change();
  await assertSmall(setup);
});

test("a flood of calls for all workspaces, given up or not read, is answered in small portions", async (t) => {
  const setup = await rawSetup(t);
  const { rpcPort } = setup.daemon;
  await addWorkspaces(setup, 3000);
  const flood = connectHttp2(rpcPort);
  const unread = connectHttp2(rpcPort, 0);
  t.after(() => [flood, unread].forEach((session) => session.destroy()));
  for (let i = 0; i < 2000; i++) {
    if (flood.destroyed) break;
    const call = beginCall(flood, "GetWorkspaces", empty);
    if (i % 2 === 0) setImmediate(() => call.close(8));
    if (i % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  await setup.change();
  flood.destroy();
  for (let i = 0; i < 1000; i++) beginCall(unread, "GetWorkspaces", empty);
  await until("what may wait waits", async () => (await setup.daemon.metric("grpc_server_started_total", { grpc_method: "GetWorkspaces" })) >= 1000);
  await setup.change();
  unread.destroy();
  assert.equal((await setup.client.wsman("GetWorkspaces")).code, code.OK);
  await assertSmall(setup);
});
