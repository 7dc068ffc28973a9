/** Tests of the bookkeeping of whole lives: whose time it was, and ends that are told twice, too early or not at all. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { runningPhase } from "../../../src/bench/load/frame.ts";
import { delaysOf, LifeBook, seenPod } from "../../../src/bench/load/life-book.ts";
import { stoppedPhase } from "../../../src/bench/load/frame.ts";
import { makeWorkspacePod } from "../../../src/embedded/demo/pods.ts";
import type { PodState } from "../../../src/embedded/demo/pods.ts";

const node = { initMs: 500, disposeMs: 300 };
const saved = { failed: "", backedUp: true };
const ending = (): typeof saved => saved;

function line(phase: PodState): string {
  return JSON.stringify({ type: "MODIFIED", object: makeWorkspacePod({ id: "a", phase, size: 0 }) });
}

test("of a start, what the kubelet took counts, or the node daemon if that took longer", () => {
  const times = { startDue: 0, added: 10, admitted: 200, up: 1000, running: 1040 };
  assert.deepEqual(delaysOf(times, node), { start: 1040, startOverhead: 50, stop: undefined, stopOverhead: undefined });
  assert.equal(delaysOf({ ...times, up: 600, running: 720 }, node).startOverhead, 30);
});

test("of a stop, what comes before the deletion and after the content's end is the manager's", () => {
  const { stop, stopOverhead } = delaysOf({ stopDue: 1000, deleted: 1015, ended: 2000, stopped: 2325 }, node);
  assert.deepEqual([stop, stopOverhead], [1325, 40]);
});

test("what was not seen gives no figure", () => {
  assert.deepEqual(delaysOf({ startDue: 0, running: 5 }, node), { start: 5, startOverhead: undefined, stop: undefined, stopOverhead: undefined });
});

test("a line of the watch tells how far a pod has come", () => {
  const steps = (phase: PodState): unknown => seenPod(line(phase))?.steps;
  assert.deepEqual(steps("unscheduled"), ["added"]);
  assert.deepEqual(steps("scheduled"), ["added"]);
  assert.deepEqual(steps("creating"), ["added", "admitted"]);
  assert.deepEqual(steps("running"), ["added", "admitted", "up"]);
  assert.deepEqual(steps("stopping"), ["added", "admitted", "up", "deleted"]);
  assert.deepEqual(steps("stopped"), ["added", "admitted", "deleted", "ended"]);
  // One that ends before anybody asked for it has not been stopped.
  assert.deepEqual(steps("completed"), ["added", "admitted"]);
  assert.equal(seenPod('{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"7"}}}'), undefined);
});

test("a life is told as it was: the first time of each step counts", async () => {
  const book = new LifeBook();
  const life = book.begin("a", 1);
  for (const [phase, at] of [["unscheduled", 2], ["creating", 3], ["running", 4], ["running", 5]] as const) book.pod({ ...(seenPod(line(phase)) ?? assert.fail()), uid: "u" }, at);
  book.status("a", runningPhase, 6, ending);
  book.status("a", runningPhase, 7, ending);
  await life.running;
  book.stopping("a", 8);
  for (const [phase, at] of [["stopping", 9], ["stopped", 10]] as const) book.pod({ ...(seenPod(line(phase)) ?? assert.fail()), uid: "u" }, at);
  book.status("a", stoppedPhase, 11, ending);
  await life.stopped;
  assert.deepEqual(life.times, { startDue: 1, added: 2, admitted: 3, up: 4, running: 6, stopDue: 8, deleted: 9, ended: 10, stopped: 11 });
  assert.deepEqual([life.pods, life.ending], [1, saved]);
  assert.deepEqual(book.ends, { again: 0, afterwards: 0, early: 0 });
});

test("a second pod, a second end, an end that nobody asked for, and what comes after it are seen", () => {
  const book = new LifeBook();
  for (const id of ["a", "b"]) book.begin(id, 0);
  for (const uid of ["u1", "u2"]) book.pod({ id: "a", uid, steps: ["added"] }, 1);
  book.status("a", stoppedPhase, 2, () => ({ failed: "x", backedUp: false }));
  book.status("a", stoppedPhase, 3, ending);
  book.status("a", runningPhase, 4, ending);
  book.stopping("b", 5);
  book.status("b", stoppedPhase, 6, ending);
  assert.deepEqual(book.ends, { again: 1, afterwards: 1, early: 1 });
  assert.deepEqual([book.all.get("a")?.pods, book.all.get("a")?.ending], [2, { failed: "x", backedUp: false }]);
});

test("what is told of others is left out", () => {
  const book = new LifeBook();
  book.pod({ id: "other", uid: "u", steps: ["added"] }, 1);
  book.status("other", stoppedPhase, 2, () => assert.fail());
  book.stopping("other", 3);
  assert.deepEqual([book.all.size, book.ends], [0, { again: 0, afterwards: 0, early: 0 }]);
});
