/** Changes that come alone take effect without a worker; everything else goes to the workers, and the order stays. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLog } from "../../../src/domain/log.ts";
import type { BatchResult, BatchTask, LineResult } from "../../../src/domain/messages.ts";
import { Pipeline } from "../../../src/main/pipeline/pipeline.ts";
import type { WorkerPool } from "../../../src/main/pipeline/pool.ts";
import { fakeWork, testLine } from "../../support/results.ts";
import { until } from "../../support/until.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

/** A pipeline over workers whose answers come when the test lets them. */
function setup(work: { readonly atOnce?: (task: BatchTask) => BatchResult | undefined; readonly unknown?: readonly string[] } = {}) {
  const order: string[] = [];
  const unknown = new Set(work.unknown);
  const held: (() => void)[] = [];
  let [sent, direct] = [0, 0];
  const pool: WorkerPool = {
    capacity: 2,
    run: (task, signal) => {
      // As the real one: nothing is sent then.
      if (signal.aborted) return Promise.reject(new Error("aborted"));
      // An empty one proves that the workers work.
      if (task.lines.length === 0) return Promise.resolve({ bytes: new Uint8Array(), results: [], busyMicros: 0 });
      sent++;
      return new Promise((resolve) => held.push(() => resolve(new Promise((answer) => answer(fakeWork(task))))));
    },
    atOnce: work.atOnce ?? fakeWork,
    close: () => Promise.resolve(),
  };
  const pipeline = new Pipeline({
    pool,
    target: {
      sequence: 0, contradicted: false, knows: (uid) => !unknown.has(uid), listStarted() {}, listFinished: () => [].values(),
      apply: (line: LineResult) => void order.push(line.kind === "workspace" ? `${line.facts.id}@${line.resourceVersion}` : line.reason),
    },
    events: { size: 0, eventsOf: () => undefined }, clock: new VirtualClock(), log: silentLog,
    hooks: { batch() {}, atOnce: (lines) => (direct += lines), published() {}, retried() {}, outdated() {}, unreadable() {} },
  });
  const answer = (): void => {
    for (const go of held.splice(0)) go();
  };
  return { pipeline, order, answer, sent: () => sent, direct: () => direct };
}

/** Whatever follows from what was done in this turn of the event loop without waiting for anything. */
const microtasks = (): Promise<void> => new Promise((resolve) => process.nextTick(() => queueMicrotask(resolve)));
const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const change = (id: string, rv: number, rest: object = {}): Uint8Array => testLine({ id, rv, ...rest });

test("a change that comes alone takes effect in the turn in which it came, and no worker is woken", async () => {
  const { pipeline, order, sent, direct } = setup();
  for (let rv = 1; rv <= 3; rv++) {
    void pipeline.line(change("a", rv));
    await microtasks();
    assert.deepEqual([order.at(-1), pipeline.depth], [`a@${rv}`, 0]);
    await nextTurn();
  }
  assert.deepEqual([sent(), direct()], [0, 3]);
});

test("a pod that is not known, one of a list, and one that was read are derived by workers", async () => {
  const { pipeline, order, answer, sent, direct } = setup({ unknown: ["uid-a"] });
  void pipeline.line(change("a", 1));
  await nextTurn();
  void pipeline.item(change("b", 2));
  await nextTurn();
  assert.equal(sent(), 2);
  answer();
  await until("both took effect", () => order.length === 2);
  void pipeline.submit(change("c", 3));
  await nextTurn();
  answer();
  await until("the third did", () => order.length === 3);
  assert.deepEqual([order, sent(), direct()], [["a@1", "b@2", "c@3"], 3, 0]);
});

test("a line that does not say of which pod it is, is for the workers", async () => {
  const { pipeline, order, answer, direct } = setup();
  void pipeline.line(Buffer.from(JSON.stringify({ id: "a", rv: 1 })));
  await nextTurn();
  answer();
  await until("it took effect", () => order.length === 1);
  assert.equal(direct(), 0);
});

test("a change that comes while a worker has another one does not overtake it", async () => {
  const { pipeline, order, answer, direct } = setup({ unknown: ["uid-new"] });
  void pipeline.line(change("new", 1));
  await nextTurn();
  void pipeline.line(change("a", 2));
  await nextTurn();
  assert.deepEqual([order, direct()], [[], 0]);
  answer();
  await until("both took effect", () => order.length === 2);
  assert.deepEqual(order, ["new@1", "a@2"]);
});

test("three usual pods that come together are derived at once", async () => {
  const { pipeline, order, sent, direct } = setup();
  for (let n = 1; n <= 3; n++) void pipeline.line(change(`a${n}`, n, { text: "x".repeat(20_000) }));
  await microtasks();
  assert.deepEqual([order, sent(), direct()], [["a1@1", "a2@2", "a3@3"], 0, 3]);
});

test("what is more than a few lines, in one turn of the event loop, is for the workers", async () => {
  const { pipeline, order, answer, sent, direct } = setup();
  for (let n = 1; n <= 4; n++) void pipeline.line(change(`a${n}`, n));
  await nextTurn();
  assert.deepEqual([sent(), direct()], [1, 0]);
  answer();
  await until("they took effect", () => order.length === 4);
  void pipeline.line(change("b", 5, { text: "x".repeat(70_000) }));
  await nextTurn();
  assert.deepEqual([sent(), direct()], [2, 0]);
  answer();
  await until("the large one took effect", () => order.length === 5);
  // Chunk after chunk, as a burst's come: the first is derived here, and the event loop gets its turn.
  void pipeline.line(change("c", 6));
  await microtasks();
  void pipeline.line(change("d", 7));
  await microtasks();
  assert.deepEqual([sent(), direct(), order.at(-1)], [3, 1, "c@6"]);
  answer();
  await until("the second chunk took effect", () => order.at(-1) === "d@7");
});

test("a list's end that waits in between keeps its place", async () => {
  const { pipeline, order, answer } = setup({ unknown: ["uid-new"] });
  const ends: (string | undefined)[] = [];
  void pipeline.line(change("new", 1));
  await nextTurn();
  void pipeline.settled().then((version) => ends.push(version));
  void pipeline.line(change("a", 2));
  await nextTurn();
  answer();
  await until("all took effect", () => order.length === 2 && ends.length === 1);
  assert.deepEqual(ends, ["1"]);
});

/** A change of a pod that workers have. */
async function byWorker({ pipeline, order, answer, sent }: ReturnType<typeof setup>, id: string, rv: number): Promise<boolean> {
  const before = sent();
  void pipeline.line(change(id, rv));
  await nextTurn();
  const went = sent() > before;
  answer();
  await until("the change took effect", () => order.at(-1) === `${id}@${rv}`);
  return went;
}

test("pods over which a worker failed are never derived in the main thread again, whatever became of them; others are", async () => {
  const all = setup();
  // Four at once: for the workers.
  for (const line of [change("bad", 1, { poison: true }), ...["a", "b", "c"].map((id, n) => change(id, n + 2))]) void all.pipeline.line(line);
  const answering = setInterval(all.answer, 1);
  await until("the pod is set aside", () => all.order.length === 4);
  clearInterval(answering);
  assert.equal(all.order[0], "poisoned");
  assert.equal(await byWorker(all, "bad", 9), true);
  assert.equal(await byWorker(all, "a", 10), true);
  assert.equal(await byWorker(all, "other", 11), false);
  assert.equal(await byWorker(all, "bad", 12), true);
});

test("with more such pods than are remembered, no pod is derived in the main thread any more", async () => {
  const all = setup();
  const answering = setInterval(all.answer, 1);
  for (let n = 0; n < 1024; n++) void all.pipeline.line(change(`s${n}`, n + 1, { poison: n % 64 === 0 }));
  await until("all have taken effect", () => all.order.length === 1024, 60_000);
  clearInterval(answering);
  assert.equal(await byWorker(all, "other", 2000), true);
});

test("nothing is derived once the pipeline is closed", async () => {
  const { pipeline, order, sent, direct } = setup();
  void pipeline.line(change("a", 1));
  pipeline.close();
  await nextTurn();
  assert.deepEqual([order, sent(), direct()], [[], 0, 0]);
});

test("whoever wants a pod to be derived once the pipeline is closed is answered that there is nothing", { timeout: 20_000 }, async () => {
  const { pipeline, answer } = setup();
  pipeline.close();
  const asked = pipeline.submit(change("a", 1));
  await nextTurn();
  answer();
  assert.equal(await asked, undefined);
});

test("what is too much for the way back is for the workers", async () => {
  const { pipeline, order, answer, sent, direct } = setup({ atOnce: () => undefined });
  void pipeline.line(change("a", 1));
  await nextTurn();
  answer();
  await until("it took effect", () => order.length === 1);
  assert.deepEqual([sent(), direct()], [1, 0]);
});

test("what fails in the main thread is left to the workers, who find out what it is", async () => {
  const fails = (): never => {
    throw new RangeError("too deep");
  };
  const { pipeline, order, answer, direct } = setup({ atOnce: fails });
  void pipeline.line(change("a", 1));
  await nextTurn();
  answer();
  await until("it took effect", () => order.length === 1);
  assert.deepEqual([order, direct()], [["a@1"], 0]);
});
