/** Batches whose workers failed are done again alone, one after the other, and blame falls only on lines that deserve it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLog, type Log } from "../../../src/domain/log.ts";
import type { BatchResult, BatchTask, LineResult, ResultRange } from "../../../src/domain/messages.ts";
import { Batch } from "../../../src/main/pipeline/batch.ts";
import { Isolation } from "../../../src/main/pipeline/isolation.ts";
import { Pipeline } from "../../../src/main/pipeline/pipeline.ts";
import type { WorkerPool } from "../../../src/main/pipeline/pool.ts";
import { fakeWork, testLine } from "../../support/results.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";
import { MemoryLog } from "../rpc/helpers.ts";
import { json, turns } from "./core.ts";
import { HeldPool, linesOf } from "./held-pool.ts";

function batchOf(...lines: readonly Uint8Array[]): Batch {
  const batch = new Batch(new SharedArrayBuffer(10_000));
  for (const line of lines) batch.add("watch", line, undefined, 0);
  return batch;
}

const alone = () => Promise.resolve();

function setup(work: (task: BatchTask) => BatchResult = fakeWork, log: Log = silentLog) {
  const [clock, pool, closed] = [new VirtualClock(), new HeldPool(2, work), new AbortController()];
  return { clock, pool, closed, isolation: new Isolation(pool, clock, log, 5000, closed.signal) };
}

const told = (results: readonly LineResult[]) => results.map((result) => (result.kind === "workspace" ? result.facts.id : `${result.reason} ${result.uid}${result.removed ? " removed" : ""}`));

test("each line has its own result, and all of its bytes are where it says", async () => {
  const pieces = ["held", "init", "trace"] as const;
  const { isolation } = setup((task) => {
    const { results, bytes, busyMicros } = fakeWork(task);
    const id = told(results).join("");
    const from = (n: number) => ({ start: bytes.length + Buffer.byteLength(pieces.slice(0, n).map((piece) => `${piece} ${id}`).join("")), length: Buffer.byteLength(`${pieces[n]} ${id}`) });
    const ranges = { held: from(0), init: from(1), trace: from(2) };
    return { bytes: new Uint8Array(Buffer.concat([bytes, Buffer.from(pieces.map((piece) => `${piece} ${id}`).join(""))])), results: results.map((result) => (result.kind === "workspace" ? { ...result, ...ranges } : result)), busyMicros };
  });
  const { results, bytes, busyMicros } = await isolation.run(batchOf(...["a", "bb", "c"].map((id) => testLine({ id, rv: 1 }))), alone);
  assert.deepEqual(told(results), ["a", "bb", "c"]);
  const usual = fakeWork(batchOf(testLine({ id: "c", rv: 1 })));
  const last = results[2];
  assert.ok(last?.kind === "workspace");
  assert.deepEqual(bytes.slice(last.start, last.start + last.length), new Uint8Array(usual.bytes));
  for (const result of results) {
    assert.ok(result.kind === "workspace");
    for (const piece of pieces) {
      const range: ResultRange | undefined = result[piece];
      assert.ok(range, piece);
      // A piece of another pod's would tell its secrets.
      assert.equal(Buffer.from(bytes.subarray(range.start, range.start + range.length)).toString(), `${piece} ${result.facts.id}`);
    }
  }
  assert.equal(busyMicros, 3);
});

test("a line that fails twice is set aside with its uid; that it was a deletion is not lost", async () => {
  const { isolation } = setup();
  const deleted = json({ type: "DELETED", metadata: { uid: "uid-b" }, id: "b", rv: 1, poison: true });
  const { results } = await isolation.run(batchOf(testLine({ id: "a", rv: 1, poison: true }), deleted, testLine({ id: "c", rv: 1 })), alone);
  assert.deepEqual(told(results), ["poisoned uid-a", "poisoned uid-b removed", "c"]);
});

test("a pod that was read, and has the beginning of a deletion in it, is none", async () => {
  const { isolation } = setup();
  const batch = new Batch(new SharedArrayBuffer(1000));
  batch.add("read", json({ type: "DELETED", metadata: { uid: "uid-b" }, id: "b", rv: 1, poison: true }), undefined, 0);
  assert.deepEqual(told((await isolation.run(batch, alone)).results), ["poisoned uid-b"]);
});

test("a line that fails once is not set aside", async () => {
  let failures = 0;
  const { isolation } = setup((task) => {
    if (task.lines.length > 0 && failures++ === 0) throw new Error("out of memory");
    return fakeWork(task);
  });
  assert.deepEqual(told((await isolation.run(batchOf(testLine({ id: "a", rv: 1 })), alone)).results), ["a"]);
});

test("while not even an empty batch succeeds, nobody is blamed: the pool is tried once a second", async () => {
  let down = true;
  const { isolation, clock, pool } = setup((task) => {
    if (down) throw new Error("no worker");
    return fakeWork(task);
  });
  const run = isolation.run(batchOf(testLine({ id: "a", rv: 1 })), alone);
  for (let second = 0; second < 60; second++) {
    await turns();
    assert.equal(pool.sent.length, 1 + second);
    clock.advance(999);
    await turns();
    assert.equal(pool.sent.length, 1 + second);
    clock.advance(1);
  }
  down = false;
  await turns();
  clock.advance(1000);
  assert.deepEqual(told((await run).results), ["a"]);
  assert.equal(clock.pending, 0);
});

test("a line on which a worker hangs is given up after the watchdog's time, each time", async () => {
  const { isolation, clock, pool } = setup();
  pool.hold();
  const run = isolation.run(batchOf(testLine({ id: "a", rv: 1 })), alone);
  const proved = async (times: number): Promise<void> => {
    await turns();
    assert.deepEqual([pool.sent.length, pool.sent.at(-1)?.lines.length], [1 + 2 * times, 0], "the pool is proved to work");
    pool.held[0]?.go();
  };
  for (let i = 0; i < 2; i++) {
    await proved(i);
    await turns();
    clock.advance(4999);
    await turns();
    assert.deepEqual([pool.sent.length, pool.sent.at(-1)?.lines.length], [2 + 2 * i, 1]);
    clock.advance(1);
  }
  await proved(2);
  assert.deepEqual(told((await run).results), ["poisoned uid-a"]);
  assert.equal(clock.pending, 0);
});

test("new workers have half a minute to start, as at the daemon's start: no line is blamed for that, and nobody alarmed before", async () => {
  const log = new MemoryLog();
  const { isolation, clock, pool } = setup(fakeWork, log);
  pool.hold();
  const run = isolation.run(batchOf(testLine({ id: "a", rv: 1 })), alone);
  await turns();
  clock.advance(29_999);
  await turns();
  assert.deepEqual([pool.sent.length, log.lines], [1, []]);
  clock.advance(1);
  await turns();
  assert.deepEqual(log.lines.map(({ level, message }) => [level, message]), [["error", "the worker pool does not work"]]);
  clock.advance(1000);
  await turns();
  clock.advance(20_000);
  pool.release();
  assert.deepEqual(told((await run).results), ["a"]);
  assert.deepEqual(pool.sent.map(({ lines }) => lines.length), [0, 0, 1]);
});

test("of workers that get no processor a line has twice the time that these took for nothing", async () => {
  const { isolation, clock, pool } = setup();
  pool.hold();
  const run = isolation.run(batchOf(testLine({ id: "a", rv: 1 })), alone);
  await turns();
  clock.advance(9000);
  pool.held[0]?.go();
  await turns();
  clock.advance(17_999);
  await turns();
  assert.deepEqual(pool.sent.map(({ lines }) => lines.length), [0, 1]);
  pool.release();
  assert.deepEqual(told((await run).results), ["a"]);
});

test("one batch is done again at a time, each when nothing else runs any more", async () => {
  const { isolation, pool } = setup();
  pool.hold();
  const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const runs = ["a", "b"].map((id, i) => isolation.run(batchOf(testLine({ id, rv: 1 })), () => gates[i]?.promise ?? alone()));
  await turns();
  assert.equal(pool.sent.length, 0);
  gates[1]?.resolve();
  await turns();
  assert.equal(pool.sent.length, 0);
  gates[0]?.resolve();
  await turns();
  assert.equal(pool.sent.length, 1);
  pool.release();
  assert.deepEqual(await Promise.all(runs.map(async (run) => told((await run).results))), [["a"], ["b"]]);
  assert.equal(isolation.busy, false);
});

test("close gives up what is done again, also while the pool is down, and the next in line", async () => {
  for (const down of [false, true]) {
    const { isolation, closed, clock, pool } = setup(() => {
      throw new Error("no worker");
    });
    if (!down) pool.hold();
    const runs = ["a", "b"].map(async (id) => assert.rejects(isolation.run(batchOf(testLine({ id, rv: 1 })), alone)));
    await turns();
    assert.equal(isolation.busy, true);
    closed.abort();
    await Promise.all(runs);
    assert.equal(isolation.busy, false);
    const sent = pool.sent.length;
    clock.advance(60_000);
    await turns();
    assert.equal(pool.sent.length, sent);
  }
});

/** Records for each task which others ran at any time of its run. */
class CrowdedPool implements WorkerPool {
  readonly capacity = 4;
  readonly #running = new Set<{ readonly task: BatchTask; company: number }>();
  readonly runs: { readonly task: BatchTask; company: number }[] = [];
  readonly #turnsOf: (n: number) => number;

  constructor(turnsOf: (n: number) => number) {
    this.#turnsOf = turnsOf;
  }

  async run(task: BatchTask): Promise<BatchResult> {
    const run = { task, company: this.#running.size };
    for (const other of this.#running) other.company++;
    this.#running.add(run);
    this.runs.push(run);
    try {
      await turns(this.#turnsOf(this.runs.length));
      return fakeWork(task);
    } finally {
      this.#running.delete(run);
    }
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

test("in the pipeline, whatever is done again runs alone from beginning to end, and lines that come meanwhile wait", async () => {
  const pool = new CrowdedPool((n) => 1 + ((n * 7) % 5));
  const order: string[] = [];
  const target = { sequence: 0, contradicted: false, knows: () => true, apply: (result: LineResult) => void order.push(...told([result])), listStarted() {}, listFinished: () => [].values() };
  const hooks = { batch() {}, atOnce() {}, published() {}, retried() {}, outdated() {}, unreadable() {} };
  const pipeline = new Pipeline({ pool, target, events: { size: 0, eventsOf: () => undefined }, clock: new VirtualClock(), log: silentLog, hooks });
  const ids = Array.from({ length: 60 }, (_, n) => `w${n}`);
  for (const [n, id] of ids.entries()) {
    void pipeline.line(testLine({ id, rv: n, poison: n % 20 < 2 }));
    if (n % 3 === 0) await turns(1);
  }
  await pipeline.settled();
  assert.deepEqual(order, ids.map((id, n) => (n % 20 < 2 ? `poisoned uid-${id}` : id)));
  const seen = new Set<string>();
  let again = 0;
  for (const { task, company } of pool.runs) {
    const lines = linesOf(task);
    if (lines.length === 0 || lines.some((line) => seen.has(line))) {
      again++;
      assert.equal(company, 0, `${lines.length} lines done again in company`);
    }
    for (const line of lines) seen.add(line);
  }
  assert.ok(again > 12, `${again} tasks were done again`);
  assert.ok(pool.runs.some(({ company }) => company > 0), "others run side by side");
});
