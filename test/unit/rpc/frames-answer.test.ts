/** Large answers: the bytes that are written, and when their room is used again. */
import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { connect } from "node:http2";
import type { IncomingHttpHeaders } from "node:http2";
import { Writable } from "node:stream";
import { setImmediate as nextTurn } from "node:timers/promises";
import { test } from "node:test";
import { status } from "@grpc/grpc-js";
import { wsman } from "../../../src/gen/proto.js";
import { ChunkPool, FramesAnswer } from "../../../src/main/rpc/frames-answer.ts";
import { messageIn } from "../../../src/main/state/frame.ts";
import { framesOf as listOf } from "../../../src/main/state/frame-list.ts";
import { until } from "../../support/until.ts";
import { frameOf, metricValue, startHarness } from "./helpers.ts";

/** Takes a piece whenever it is told to, and looks at its bytes then, not before: as the system does that sends them. */
class SlowStream extends Writable {
  readonly taken: Buffer[] = [];
  readonly #waiting: (() => void)[] = [];

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.#waiting.push(() => {
      this.taken.push(Buffer.from(chunk));
      done();
    });
  }

  take(): boolean {
    const next = this.#waiting.shift();
    next?.();
    return next !== undefined;
  }

  get bytes(): Buffer {
    return Buffer.concat(this.taken);
  }
}

/** Frames with messages of these sizes, no two alike. */
function framesOf(sizes: readonly number[]): Buffer[] {
  return sizes.map((size, i) => {
    const frame = Buffer.alloc(5 + size, i + 1);
    frame[0] = 0;
    frame.writeUInt32BE(size, 1);
    return frame;
  });
}

/** The gRPC message that these frames make together. */
function messageOf(frames: readonly Buffer[]): Buffer {
  const message = Buffer.concat(frames.map(messageIn));
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

async function drain(stream: SlowStream): Promise<void> {
  while (stream.take()) await nextTurn();
}

test("whatever the sizes of the frames, their messages come one after the other behind one prefix", async () => {
  const chunk = 64 * 1024;
  const cases = [
    [], [0], [1], [0, 0, 0], [700, 800, 900], [chunk - 5], [chunk - 4], [chunk - 6, 1, 1], [chunk * 3], [10, chunk * 2, 10, chunk, chunk - 5, 0],
    ...Array.from({ length: 30 }, () => Array.from({ length: randomInt(1, 300) }, () => randomInt(0, randomInt(1, 20) === 1 ? 2 * chunk : 2000))),
  ];
  const chunks = new ChunkPool();
  for (const sizes of cases) {
    const frames = framesOf(sizes);
    const before = Buffer.concat(frames);
    const stream = new SlowStream();
    const answer = new FramesAnswer(listOf(frames), chunks);
    const written = answer.writeTo(stream);
    await drain(stream);
    assert.equal(await written, true);
    const expected = messageOf(frames);
    assert.equal(answer.bytes, expected.length - 5);
    assert.ok(stream.bytes.equals(expected), `sizes ${sizes.join()}`);
    assert.ok(Buffer.concat(frames).equals(before), "the frames, which others read, are as they were");
    assert.ok(stream.taken.every((piece) => piece.length <= 2 * chunk + 5 || sizes.includes(piece.length)), "in pieces");
  }
});

test("one piece waits at a time, and answers that are written at the same time do not share their room", async () => {
  const chunks = new ChunkPool();
  const lists = [1, 2, 3].map((seed) => framesOf(Array.from({ length: 400 }, (_, i) => 500 + i + seed)));
  const streams = lists.map(() => new SlowStream());
  const written = lists.map((frames, i) => new FramesAnswer(listOf(frames), chunks).writeTo(streams[i] ?? new SlowStream()));
  for (let some = true; some;) {
    some = streams.map((stream) => stream.take()).includes(true);
    for (const stream of streams) assert.ok(stream.writableLength <= 64 * 1024);
    await nextTurn();
  }
  assert.deepEqual(await Promise.all(written), [true, true, true]);
  streams.forEach((stream, i) => assert.ok(stream.bytes.equals(messageOf(lists[i] ?? []))));
});

test("room is used again once all was sent, and never after a stream broke: the system may still read it", async () => {
  const chunks = new ChunkPool();
  const whole = new SlowStream();
  const written = new FramesAnswer(listOf(framesOf([10])), chunks).writeTo(whole);
  await drain(whole);
  assert.equal(await written, true);
  const first = chunks.take();
  chunks.give(first);
  const broken = new SlowStream();
  const part = new FramesAnswer(listOf(framesOf([10])), chunks).writeTo(broken);
  broken.destroy();
  assert.equal(await part, false);
  assert.notEqual(chunks.take(), first);
});

test("a stream that ends, or is gone before, gets nothing more", async () => {
  const chunks = new ChunkPool();
  const ended = new SlowStream();
  const answer = new FramesAnswer(listOf(framesOf(Array.from({ length: 1000 }, () => 500))), chunks);
  const written = answer.writeTo(ended);
  ended.end();
  await drain(ended);
  assert.equal(await written, false);
  assert.equal(ended.taken.length, 1);
  const gone = new SlowStream();
  gone.destroy();
  assert.equal(await answer.writeTo(gone), false);
});

test("answers of 20,000 workspaces are right to the byte, and written in turns, so that other work gets done in between", async (t) => {
  const { client, reader, metrics } = await startHarness(t);
  for (let i = 0; i < 20_000; i++) reader.frames.set(`${i}`, frameOf(`${i}`, `${i} `.repeat(120)));
  let turns = 0;
  let counting = true;
  const count = (): void => {
    turns++;
    if (counting) setImmediate(count);
  };
  setImmediate(count);
  const answers = await Promise.all(Array.from({ length: 4 }, () => client.wsman("GetWorkspaces")));
  counting = false;
  const expected = Buffer.concat([...reader.frames.values()].map(messageIn));
  for (const { response } of answers) assert.ok(response.equals(expected));
  assert.ok(turns > 20, `${turns} turns of the event loop`);
  const labels = 'grpc_type="unary",grpc_service="wsman.WorkspaceManager",grpc_method="GetWorkspaces"';
  assert.equal(await metricValue(metrics, "grpc_server_msg_sent_total", labels), 4);
  assert.equal(await metricValue(metrics, "grpc_server_handled_total", `${labels},grpc_code="OK"`), 4);
});

test("a client that cancels amid its answer, or reads until its deadline has passed, is counted as what it did, and others are served", async (t) => {
  const { client, reader, metrics, server } = await startHarness(t);
  for (let i = 0; i < 10; i++) reader.frames.set(`${i}`, frameOf(`${i}`, "y".repeat(1024 * 1024)));
  const session = connect(`http://127.0.0.1:${server.port}`);
  t.after(() => session.destroy());
  const handled = (code: string) => metricValue(metrics, "grpc_server_handled_total", `grpc_method="GetWorkspaces",grpc_code="${code}"`);
  const call = (headers: Record<string, string>) => session.request({ ":method": "POST", ":path": "/wsman.WorkspaceManager/GetWorkspaces", "content-type": "application/grpc", te: "trailers", ...headers });
  const cancelled = call({});
  cancelled.end(Buffer.alloc(5));
  cancelled.once("data", () => cancelled.close(8));
  await until("the cancellation to be counted", async () => (await handled("Canceled")) === 1);
  const late = call({ "grpc-timeout": "100m" });
  late.end(Buffer.alloc(5));
  let bytes = 0;
  late.on("data", (piece: Buffer) => {
    bytes += piece.length;
    late.pause();
    setTimeout(() => late.resume(), 5);
  });
  const trailers = await new Promise<IncomingHttpHeaders>((resolve) => late.once("trailers", resolve));
  assert.equal(Number(trailers["grpc-status"]), status.DEADLINE_EXCEEDED);
  assert.ok(bytes > 0 && bytes < 10 * 1024 * 1024, `${bytes} bytes`);
  await until("the deadline to be counted", async () => (await handled("DeadlineExceeded")) === 1);
  const answer = await client.wsman("GetWorkspaces");
  assert.equal(answer.code, status.OK);
  assert.equal(wsman.GetWorkspacesResponse.decode(answer.response).status?.length, 10);
  assert.equal(await handled("OK"), 1);
});
