/** Lines take effect in order, each once, whatever the workers do. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock, type Clock } from "../../../src/domain/clock.ts";
import { silentLog } from "../../../src/domain/log.ts";
import type { BatchResult, BatchTask, LineResult } from "../../../src/domain/messages.ts";
import { defaultPipelineLimits, Pipeline, type PipelineLimits } from "../../../src/main/pipeline/pipeline.ts";
import type { WorkerPool } from "../../../src/main/pipeline/pool.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { fakeWork, testLine } from "../../support/results.ts";
import { until } from "../../support/until.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";
import { turns } from "./core.ts";

/** A pool in this thread whose answers come when the test lets them. */
function setup(options: { limits?: Partial<PipelineLimits>; work?: (task: BatchTask) => Promise<BatchResult>; capacity?: number; clock?: Clock; applied?: () => void; steps?: number } = {}) {
  const applied: LineResult[] = [];
  const order: string[] = [];
  const unreadable: string[] = [];
  let retried = 0;
  const pool: WorkerPool = {
    capacity: options.capacity ?? 2,
    run: (task, signal) => {
      const { promise: aborted, reject } = Promise.withResolvers<never>();
      signal.addEventListener("abort", () => reject(new Error("aborted")), { once: true });
      return Promise.race([options.work ? options.work(task) : Promise.resolve().then(() => fakeWork(task)), aborted]);
    },
    close: () => Promise.resolve(),
  };
  const pipeline = new Pipeline({
    pool,
    target: {
      get sequence() {
        return applied.length;
      },
      contradicted: false, knows: () => true,
      apply: (result) => {
        applied.push(result);
        options.applied?.();
        order.push(result.kind === "workspace" ? `${result.facts.id}@${result.resourceVersion}` : `${result.reason}:${result.uid}`);
        return Buffer.from("frame");
      },
      listStarted: () => order.push("started"),
      *listFinished() {
        for (let i = 0; i < (options.steps ?? 0); i++) {
          order.push("step");
          options.applied?.();
          yield;
        }
        order.push("finished");
      },
    },
    events: { size: 0, eventsOf: () => undefined },
    clock: options.clock ?? systemClock,
    log: silentLog,
    hooks: { batch: () => {}, atOnce: () => {}, published: () => {}, retried: () => retried++, outdated: () => {}, unreadable: (uid) => unreadable.push(uid) },
    limits: { ...defaultPipelineLimits, ...options.limits },
  });
  return { pipeline, applied, order, unreadable, retried: () => retried };
}

const byId = (n: number) => `w${n}@${n}`;

test("lines take effect in the order in which they came, although batches finish in any order", async () => {
  const held: (() => void)[] = [];
  const { pipeline, order } = setup({
    capacity: 4,
    work: async (task) => {
      await new Promise<void>((resolve) => held.push(resolve));
      return fakeWork(task);
    },
  });
  for (let n = 0; n < 4; n++) {
    void pipeline.line(testLine({ id: `w${n}`, rv: n }));
    await until("the batch is sent", () => held.length === n + 1);
  }
  for (const release of held.toReversed()) {
    assert.deepEqual(order, []);
    release();
    await Promise.resolve();
  }
  await until("all took effect", () => order.length === 4);
  assert.deepEqual(order, [0, 1, 2, 3].map(byId));
});

test("the start and end of a list keep their place among the lines", async () => {
  const { pipeline, order } = setup();
  pipeline.listStarted(false, undefined);
  void pipeline.item(testLine({ id: "w1", rv: 1 }));
  pipeline.listFinished("1");
  void pipeline.line(testLine({ id: "w2", rv: 2 }));
  assert.equal(await pipeline.settled(), "2");
  assert.deepEqual(order, ["started", "w1@1", "finished", "w2@2"]);
});

test("a line of the watch that can not be read is told of by the uid that stands in it", async () => {
  const { pipeline, unreadable } = setup({ work: (task) => Promise.resolve({ bytes: new Uint8Array(), busyMicros: 1, results: task.lines.map(() => ({ kind: "skipped", reason: "unparsable", message: "", uid: "", podName: "", resourceVersion: "", removed: false })) }) });
  void pipeline.line(Buffer.from('{"type":"DELETED","object":{"metadata":{"uid":"u1"}}}}'));
  void pipeline.line(Buffer.from("nonsense"));
  void pipeline.item(Buffer.from('{"metadata":{"uid":"u2"}}}'));
  await pipeline.settled();
  assert.deepEqual(unreadable, ["u1"]);
});

test("settled tells the last line of the watch, beside lists, until the API server's store is set back", async () => {
  const { pipeline } = setup();
  assert.equal(await pipeline.settled(), undefined);
  void pipeline.line(testLine({ id: "w1", rv: 7 }));
  pipeline.listStarted(false, undefined);
  void pipeline.item(testLine({ id: "w1", rv: 3 }));
  assert.equal(await pipeline.settled(), "7");
  void pipeline.line(testLine({ id: "w2", rv: 8 }));
  pipeline.listFinished("5");
  assert.equal(await pipeline.settled(), "8");
  pipeline.listStarted(true, undefined);
  assert.equal(await pipeline.settled(), undefined);
});

test("items of a list may be under way up to their own bound: a line of the watch has no more than that before it, and does not wait", async () => {
  const held: (() => void)[] = [];
  const line = testLine({ id: "w0", rv: 0 });
  const { pipeline, order } = setup({
    capacity: 20,
    limits: { maxBytes: 100 * line.length, maxListBytes: 4 * line.length },
    work: async (task) => {
      await new Promise<void>((resolve) => held.push(resolve));
      return fakeWork(task);
    },
  });
  let waits: void | Promise<void> = undefined;
  let items = 0;
  for (; !waits; items++) {
    waits = pipeline.item(line);
    await turns(1);
  }
  assert.equal(items, 5);
  let free = false;
  const room = waits.then(() => {
    free = true;
  });
  assert.equal(pipeline.line(testLine({ id: "w1", rv: 1 })), undefined);
  await turns(1);
  for (let n = 0; n < 2; n++) held[n]?.();
  await turns();
  assert.equal(free, false, "two of five are done");
  held[2]?.();
  await room;
  for (const release of held.slice(3)) release();
  await until("the line", () => order.includes("w1@1"));
  assert.equal(order.length, 6);
});

test("lines of the watch do not take the room of lists", async () => {
  const { pipeline } = setup({ limits: { maxListBytes: 1 }, work: () => new Promise(() => {}) });
  for (let n = 0; n < 100; n++) assert.equal(pipeline.line(testLine({ id: `w${n}`, rv: n })), undefined);
  assert.ok(pipeline.item(testLine({ id: "w0", rv: 0 })));
  pipeline.close();
});

test("a list's end that takes long takes effect in slices: between them the event loop gets its turn, and what comes behind it waits", async () => {
  const clock = new VirtualClock();
  const { pipeline, order } = setup({ clock, limits: { sliceMs: 5 }, steps: 50, applied: () => clock.advance(1) });
  pipeline.listStarted(false, undefined);
  pipeline.listFinished("1");
  void pipeline.line(testLine({ id: "w1", rv: 1 }));
  const settled = pipeline.settled();
  const slices: number[] = [];
  for (let before = 0; order.length < 53; before = order.length) {
    await turns(1);
    slices.push(order.length - before);
  }
  await settled;
  assert.ok(Math.max(...slices) <= 8, `${Math.max(...slices)} at once`);
  assert.deepEqual(order, ["started", ...Array.from({ length: 50 }, () => "step"), "finished", "w1@1"]);
});

test("lines that gather while workers are busy travel together", async () => {
  const sizes: number[] = [];
  const { pipeline, order } = setup({
    capacity: 1,
    work: async (task) => {
      sizes.push(task.lines.length);
      await new Promise(setImmediate);
      return fakeWork(task);
    },
  });
  void pipeline.line(testLine({ id: "w0", rv: 0 }));
  await until("the first is sent", () => sizes.length === 1);
  for (let n = 1; n <= 100; n++) void pipeline.line(testLine({ id: `w${n}`, rv: n }));
  await pipeline.settled();
  assert.deepEqual(sizes, [1, 64, 36]);
  assert.deepEqual(order, Array.from({ length: 101 }, (_, n) => byId(n)));
});

test("a full pipeline asks its source to wait, and lets it go on when there is room", async () => {
  const held: (() => void)[] = [];
  const { pipeline } = setup({
    limits: { maxBytes: 1000 },
    work: async (task) => {
      await new Promise<void>((resolve) => held.push(resolve));
      return fakeWork(task);
    },
  });
  let waits: void | Promise<void> = undefined;
  for (let n = 0; !waits; n++) waits = pipeline.line(testLine({ id: `w${n}`, rv: n }));
  let free = false;
  const room = waits.then(() => {
    free = true;
  });
  await until("the batch is sent", () => held.length > 0);
  assert.equal(free, false);
  held[0]?.();
  await room;
});

test("there is room again when half is done, so that a source does not stop and go with every line", async () => {
  const held: (() => void)[] = [];
  const line = testLine({ id: "w0", rv: 0 });
  const { pipeline } = setup({
    capacity: 20,
    limits: { maxBytes: 10 * line.length },
    work: async (task) => {
      await new Promise<void>((resolve) => held.push(resolve));
      return fakeWork(task);
    },
  });
  let waits: void | Promise<void> = undefined;
  for (let n = 0; !waits; n++) {
    waits = pipeline.line(line);
    await turns(1);
  }
  assert.equal(held.length, 11);
  let free = false;
  const room = waits.then(() => {
    free = true;
  });
  for (let n = 0; n < 5; n++) held[n]?.();
  await turns();
  assert.equal(free, false);
  held[5]?.();
  await room;
});

test("a line that makes workers fail is set aside, all others take effect once and in order", async () => {
  const { pipeline, order, retried } = setup();
  for (let n = 0; n < 5; n++) void pipeline.line(testLine({ id: `w${n}`, rv: n, poison: n === 2 }));
  await pipeline.settled();
  assert.deepEqual(order, ["w0@0", "w1@1", "poisoned:uid-w2", "w3@3", "w4@4"]);
  assert.equal(retried(), 1);
});

test("a worker that hangs is given up after the watchdog's time, and its batch done again", async () => {
  let hang = true;
  const { pipeline, order } = setup({
    limits: { watchdogMs: 50 },
    work: (task) => {
      if (!hang) return Promise.resolve(fakeWork(task));
      hang = false;
      return new Promise(() => {});
    },
  });
  void pipeline.line(testLine({ id: "w0", rv: 0 }));
  void pipeline.line(testLine({ id: "w1", rv: 1 }));
  await pipeline.settled();
  assert.deepEqual(order, ["w0@0", "w1@1"]);
});

test("a main thread that stood still does not take its own delay for a worker that hangs; one that does hang is given up later", async () => {
  const clock = new FakeClock();
  const answers: (() => void)[] = [];
  const { pipeline, order, retried } = setup({
    clock,
    work: async (task) => {
      if (task.lines.length > 0) await new Promise<void>((resolve) => answers.push(resolve));
      return fakeWork(task);
    },
  });
  void pipeline.line(testLine({ id: "w0", rv: 0 }));
  await turns();
  clock.advance(4000);
  // The answer came meanwhile, but timers are looked at first.
  clock.stall(60_000);
  answers.shift()?.();
  await turns();
  assert.deepEqual([order, retried()], [["w0@0"], 0]);
  void pipeline.line(testLine({ id: "w1", rv: 1 }));
  await turns();
  clock.stall(60_000);
  clock.advance(4999);
  assert.equal(retried(), 0);
  clock.advance(1);
  await turns();
  assert.equal(retried(), 1);
  answers.pop()?.();
  await pipeline.settled();
  assert.deepEqual(order, ["w0@0", "w1@1"]);
});

test("while the whole pool is down nothing is set aside; it goes on when the pool is back", async () => {
  let down = true;
  let attempts = 0;
  const { pipeline, order } = setup({
    work: (task) => {
      attempts++;
      return down ? Promise.reject(new Error("no worker")) : Promise.resolve(fakeWork(task));
    },
  });
  void pipeline.line(testLine({ id: "w0", rv: 0 }));
  await until("it was tried", () => attempts >= 3);
  assert.deepEqual(order, []);
  down = false;
  await pipeline.settled();
  assert.deepEqual(order, ["w0@0"]);
});

test("a pod that is submitted again resolves with its frame", async () => {
  const { pipeline } = setup();
  assert.equal((await pipeline.submit(testLine({ id: "w0", rv: 0 })))?.toString(), "frame");
});

test("a result that can not be applied touches no other", async () => {
  const { pipeline, order, applied } = setup();
  const push = applied.push.bind(applied);
  applied.push = (result: LineResult) => {
    if (result.uid === "uid-w1") throw new Error("bug");
    return push(result);
  };
  for (let n = 0; n < 3; n++) void pipeline.line(testLine({ id: `w${n}`, rv: n }));
  await pipeline.settled();
  assert.deepEqual(order, ["w0@0", "w2@2"]);
});

test("a pod that was read by itself does not move the point from which a watch goes on", async () => {
  const { pipeline } = setup();
  void pipeline.line(testLine({ id: "w0", rv: 5 }));
  await pipeline.submit(testLine({ id: "w1", rv: 9 }));
  assert.equal(await pipeline.settled(), "5");
});

test("results that take long to apply are applied in slices: between them the event loop gets its turn, and all keep their order", async () => {
  const clock = new VirtualClock();
  const { pipeline, order } = setup({ clock, limits: { sliceMs: 5 }, applied: () => clock.advance(1) });
  for (let n = 0; n < 50; n++) void pipeline.line(testLine({ id: `w${n}`, rv: n }));
  pipeline.listStarted(false, undefined);
  for (let n = 50; n < 100; n++) void pipeline.item(testLine({ id: `w${n}`, rv: n }));
  const settled = pipeline.settled();
  const slices: number[] = [];
  for (let before = 0; order.length < 101; before = order.length) {
    await turns(1);
    slices.push(order.length - before);
  }
  await settled;
  assert.ok(Math.max(...slices) <= 7, `${Math.max(...slices)} at once`);
  assert.deepEqual(order, [...Array.from({ length: 50 }, (_, n) => byId(n)), "started", ...Array.from({ length: 50 }, (_, n) => byId(50 + n))]);
});

test("what takes no time is applied at one go", async () => {
  const { pipeline, order } = setup({ clock: new VirtualClock() });
  for (let n = 0; n < 64; n++) void pipeline.line(testLine({ id: `w${n}`, rv: n }));
  const sizes = new Set<number>();
  while (order.length < 64) {
    await turns(1);
    sizes.add(order.length);
  }
  assert.deepEqual([...sizes].filter((size) => size > 0), [64]);
});

test("buffers are used again, but never one that a batch still has", async () => {
  const [all, busy] = [new Set<SharedArrayBuffer>(), new Set<SharedArrayBuffer>()];
  const { pipeline, order } = setup({
    capacity: 3,
    work: async (task) => {
      if (task.lines.length > 0) assert.ok(!busy.has(task.buffer), "two batches in one buffer");
      all.add(task.buffer);
      busy.add(task.buffer);
      await turns(1 + (all.size % 3));
      busy.delete(task.buffer);
      return fakeWork(task);
    },
  });
  for (let n = 0; n < 300; n++) {
    void pipeline.line(testLine({ id: `w${n}`, rv: n, poison: n === 150 }));
    if (n % 2 === 0) await turns(1);
  }
  await pipeline.settled();
  assert.deepEqual(order, Array.from({ length: 300 }, (_, n) => (n === 150 ? "poisoned:uid-w150" : byId(n))));
  // The line that is set aside has the pool proved by empty tasks, which have buffers of no size.
  assert.ok([...all].filter((buffer) => buffer.byteLength > 0).length < 12, `${all.size} buffers`);
});

test("a line longer than usual buffers has one of its own, of its size", async () => {
  const lengths: number[] = [];
  const { pipeline, order } = setup({
    work: (task) => {
      lengths.push(task.buffer.byteLength);
      return Promise.resolve(fakeWork(task));
    },
  });
  const long = Buffer.concat([testLine({ id: "w0", rv: 0 }), Buffer.alloc(1_500_000, " ")]);
  void pipeline.line(long);
  await pipeline.settled();
  void pipeline.line(testLine({ id: "w1", rv: 1 }));
  await pipeline.settled();
  assert.deepEqual(order, [0, 1].map(byId));
  assert.deepEqual(lengths, [long.length, 1280 * 1024], "the long one is not used again");
});

test("close drops what is under way: who waits for a pod is told that there is nothing, and nothing takes effect any more", async () => {
  const { pipeline, order } = setup({ work: () => new Promise(() => {}), capacity: 1 });
  const sent = pipeline.submit(testLine({ id: "w0", rv: 0 }));
  await turns();
  pipeline.close();
  assert.equal(await sent, undefined);
  void pipeline.line(testLine({ id: "w1", rv: 1 }));
  await turns();
  assert.deepEqual(order, []);
});

test("a pipeline in which nothing moves can be told from one that is slow, or idle", async () => {
  const clock = new VirtualClock();
  const answers: (() => void)[] = [];
  const { pipeline, applied } = setup({
    clock,
    capacity: 1,
    limits: { watchdogMs: 3_600_000 },
    work: async (task) => {
      await new Promise<void>((resolve) => answers.push(resolve));
      return fakeWork(task);
    },
  });
  clock.advance(100_000);
  assert.equal(pipeline.stalledMs, 0);
  void pipeline.line(testLine({ id: "w1", rv: 1 }));
  await turns();
  void pipeline.line(testLine({ id: "w2", rv: 2 }));
  clock.advance(70_000);
  assert.equal(pipeline.stalledMs, 70_000);
  answers.shift()?.();
  await until("the first line", () => applied.length === 1);
  assert.equal(pipeline.stalledMs, 0, "the second has waited as long, but the worker has answered meanwhile");
  clock.advance(5000);
  assert.equal(pipeline.stalledMs, 5000);
  answers.shift()?.();
  await until("the second line", () => applied.length === 2);
  clock.advance(70_000);
  assert.equal(pipeline.stalledMs, 0);
  pipeline.close();
});

test("while the batch at the head is not back, others go ahead up to a bound, and the lines after them gather", async () => {
  const { promise: head, resolve: release } = Promise.withResolvers<void>();
  const sizes: number[] = [];
  const { pipeline, order } = setup({
    capacity: 2,
    work: async (task) => {
      sizes.push(task.lines.length);
      if (sizes.length === 1) await head;
      return fakeWork(task);
    },
  });
  const total = 200;
  for (let i = 0; i < total; i++) {
    void pipeline.line(testLine({ id: `w${i}`, rv: i }));
    await turns(1);
  }
  const ahead = sizes.length;
  assert.ok(ahead <= 2 * 8, `${ahead} batches were sent`);
  release();
  await until("all is applied", () => order.length === total);
  assert.deepEqual(order, Array.from({ length: total }, (_, i) => byId(i)));
  assert.ok(sizes.slice(ahead).some((size) => size > 10), "lines gathered");
});
