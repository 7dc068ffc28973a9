/** The pool with real worker threads: they derive, they are replaced when they fail, and a pool that can not start says so. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { silentLog } from "../../../src/domain/log.ts";
import { mailboxBytes } from "../../../src/domain/mailbox.ts";
import type { BatchResult, BatchTask } from "../../../src/domain/messages.ts";
import { userAnnotationPrefix } from "../../../src/domain/names.ts";
import { processBatch } from "../../../src/workers/batch.ts";
import { runningPod } from "../workers/pods.ts";
import { emptyTask, startPool, type WorkerPool } from "../../../src/main/pipeline/pool.ts";

const derive = { regularWorkspaceTimeoutMs: 60_000 };

async function pool(t: TestContext, worker?: string): Promise<WorkerPool> {
  const folder = mkdtempSync(join(tmpdir(), "pool-"));
  const file = join(folder, "worker.mjs");
  if (worker !== undefined) writeFileSync(file, worker);
  const starting = startPool({ workers: 1, derive, log: silentLog, ...(worker === undefined ? {} : { workerFile: file }) });
  t.after(async () => {
    // Who asked for a pool that does not start was told so.
    await starting.then((started) => started.close(), () => {});
    rmSync(folder, { recursive: true });
  });
  return starting;
}

function taskOf(text: string): ReturnType<typeof emptyTask> {
  const bytes = Buffer.from(text);
  const buffer = new SharedArrayBuffer(bytes.length);
  new Uint8Array(buffer).set(bytes);
  return { buffer, lines: [{ source: "object", start: 0, length: bytes.length, events: undefined }] };
}

/** A worker that answers with objects, as with results that are too large for a mailbox. */
const answering = "const lines = (task) => task.buffer.byteLength; export default (task) => ({ bytes: new Uint8Array(0), results: [], busyMicros: lines(task) });";

test("workers derive: a line that is no pod is skipped, with the reason", async (t) => {
  const { results } = await (await pool(t)).run(taskOf("nonsense"), AbortSignal.timeout(20_000));
  assert.equal(results[0]?.kind, "skipped");
});

test("a worker that dies rejects its batch and is replaced", async (t) => {
  const workers = await pool(t, answering.replace("=> ({", "=> lines(task) === 0 ? { bytes: new Uint8Array(0), results: [], busyMicros: 0 } : process.exit(1) || ({"));
  await assert.rejects(workers.run(taskOf("x"), AbortSignal.timeout(20_000)));
  assert.equal((await workers.run(emptyTask(), AbortSignal.timeout(20_000))).busyMicros, 0);
});

test("a worker that hangs is ended by the signal and replaced", async (t) => {
  const workers = await pool(t, answering.replace("=> ({", "=> { while (lines(task) > 0); return ({").replace(/;$/, "};"));
  await assert.rejects(workers.run(taskOf("x"), AbortSignal.timeout(100)));
  assert.equal((await workers.run(emptyTask(), AbortSignal.timeout(20_000))).busyMicros, 0);
});

test("a worker takes its next task without waiting for the main thread, and one that hangs takes its neighbour along", async (t) => {
  // Tells by its answer how many tasks it had seen; hangs at a buffer of 3 bytes.
  const workers = await pool(t, "let seen = 0; export default (task) => { seen++; while (task.buffer.byteLength === 3); return { bytes: new Uint8Array(0), results: [], busyMicros: seen }; };");
  assert.equal(workers.capacity, 3);
  const all = await Promise.all(["x", "y", "z"].map(async (text) => workers.run(taskOf(text), AbortSignal.timeout(20_000))));
  assert.deepEqual(all.map(({ busyMicros }) => busyMicros), [2, 3, 4], "after the first, empty one");
  const hanging = workers.run(taskOf("xyz"), AbortSignal.timeout(300));
  const neighbour = workers.run(taskOf("z"), AbortSignal.timeout(20_000));
  await assert.rejects(hanging);
  await assert.rejects(neighbour);
  assert.equal((await workers.run(emptyTask(), AbortSignal.timeout(20_000))).busyMicros, 1, "a new worker");
});

test("workers that can not start are told at once", async (t) => {
  await assert.rejects(pool(t, "throw new Error('broken installation');"), /workers do not start/);
});

test("results that are too large for a mailbox come back all the same, and the next ones as usual", async (t) => {
  const workers = await pool(t);
  const large = JSON.stringify({ ...runningPod(), metadata: { ...runningPod().metadata, annotations: { ...runningPod().metadata.annotations, [`${userAnnotationPrefix}large`]: "x".repeat(mailboxBytes) } } });
  for (const text of [JSON.stringify(runningPod()), large, JSON.stringify(runningPod())]) {
    const task = taskOf(text);
    assert.deepEqual(plain(await workers.run(task, AbortSignal.timeout(20_000))), plain(processBatch(task, derive)));
  }
  assert.equal(workers.atOnce?.(taskOf(large)), undefined, "in the caller's thread: left to the workers");
});

test("what is derived in the caller's thread is what a worker gives, and stays as it is", async (t) => {
  const workers = await pool(t);
  const named = (owner: string): BatchTask => taskOf(JSON.stringify({ ...runningPod(), metadata: { ...runningPod().metadata, labels: { ...runningPod().metadata.labels, owner } } }));
  const first = workers.atOnce?.(named("lone \ud800 surrogate"));
  const byWorker = await workers.run(named("lone \ud800 surrogate"), AbortSignal.timeout(20_000));
  // Its memory is used again.
  assert.ok(workers.atOnce?.(named("another")));
  assert.ok(first);
  assert.deepEqual(plain(first), plain(byWorker));
});

test("tasks that run at the same time do not get each other's results", async (t) => {
  const workers = await pool(t);
  const uids = Array.from({ length: 8 }, (_, i) => ({ ...runningPod(), metadata: { ...runningPod().metadata, uid: `uid-${i}` } }));
  for (let round = 0; round < 20; round++) {
    const results = await Promise.all(uids.slice(0, workers.capacity).map((pod) => workers.run(taskOf(JSON.stringify(pod)), AbortSignal.timeout(20_000))));
    assert.deepEqual(results.map(({ results: [result] }) => result?.uid), uids.slice(0, workers.capacity).map(({ metadata }) => metadata.uid));
  }
});

/** Without the time that it took. */
function plain({ results, bytes }: BatchResult): object {
  return { results, bytes: Buffer.from(bytes).toString("hex") };
}
