/** The trace of changes: what a line says, and its bounds. */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { objectAt, parseObject } from "../../src/domain/json.ts";
import { wsman } from "../../src/gen/proto.js";
import { buildFrame, encodeStatus } from "../../src/main/state/frame.ts";
import { TraceLog, type TraceLimits } from "../../src/main/trace-log.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { until } from "../support/until.ts";
import { RecordingLog } from "./kube/helpers.ts";

const frame = buildFrame(encodeStatus({ id: "one", phase: wsman.WorkspacePhase.RUNNING, auth: { ownerToken: "token-of-jane" } }), { seconds: 1_700_000_000, logical: 0 });
const objects = Buffer.from('{"pod":{"kind":"Pod"},"events":[]}');

async function setup(t: TestContext, limits: Partial<TraceLimits> = {}) {
  const folder = await mkdtemp(join(tmpdir(), "wsmand-trace-"));
  t.after(() => rm(folder, { recursive: true }));
  const [target, clock, log] = [join(folder, "trace"), new FakeClock(), new RecordingLog()];
  const lines = async (file = target): Promise<string[]> => (await readFile(file, "utf8")).split("\n").slice(0, -1);
  return { target, clock, log, lines, open: () => TraceLog.open({ target, clock, log, limits }) };
}

test("each change is a line with time, status and objects, behind what is in the file already; the owner's token is in none", async (t) => {
  const { target, lines, open } = await setup(t);
  await writeFile(target, "before\n");
  const trace = await open();
  trace.published(frame, objects);
  trace.published(frame, undefined);
  await trace.close();
  const [before, ...written] = await lines();
  assert.equal(before, "before");
  const [first, second] = written.map((line) => parseObject(Buffer.from(line)));
  assert.equal(objectAt(first, "status")?.["phase"], "RUNNING");
  assert.deepEqual([first?.["objects"], second?.["objects"]], [{ pod: { kind: "Pod" }, events: [] }, {}]);
  assert.match(String(first?.["time"]), /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
  assert.ok(!written.join("").includes("token-of-jane"));
});

test("a file that is full is put aside, once; more than can wait is left out, and told", async (t) => {
  const { target, log, lines, open } = await setup(t, { fileBytes: 1_000, waitingBytes: 3_000 });
  const trace = await open();
  for (let i = 0; i < 4; i++) {
    trace.published(frame, Buffer.from(JSON.stringify({ pod: "x".repeat(400), i })));
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  for (let i = 0; i < 50; i++) trace.published(frame, objects);
  await trace.close();
  assert.ok((await lines(`${target}.1`)).length > 0);
  for (const line of [...(await lines()), ...(await lines(`${target}.1`))]) assert.doesNotThrow(() => JSON.parse(line));
  assert.equal(log.entries.length, 1);
});

test("a file that somebody else has put aside is begun anew once it is full, and nothing is lost", async (t) => {
  const { target, log, lines, open } = await setup(t, { fileBytes: 1_000 });
  const trace = await open();
  const publish = (i: number): void => trace.published(frame, Buffer.from(JSON.stringify({ pod: "x".repeat(600), i })));
  publish(0);
  await until("it is written", async () => (await lines()).length === 1);
  await rename(target, `${target}.aside`);
  publish(1);
  await until("it is begun anew", async () => (await lines().catch(() => [])).length === 1);
  await trace.close();
  assert.deepEqual([(await lines(`${target}.aside`)).length, log.entries], [1, []]);
});

test("instead of a file the log can have it; a file that can not be opened is told by its name", async (t) => {
  const { clock, log } = await setup(t);
  const trace = await TraceLog.open({ target: "-", clock, log });
  trace.published(frame, objects);
  await trace.close();
  assert.equal(log.entries.length, 1);
  assert.ok(!JSON.stringify(log.entries).includes("token-of-jane"));
  await assert.rejects(TraceLog.open({ target: "/nonexistent/trace", clock, log }), /^Error: manager\.eventTraceLog: the file "\/nonexistent\/trace" can not be written: its folder is not there$/);
});
