/** Bounded concurrency. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Slots } from "../../../src/domain/slots.ts";

const never = new AbortController().signal;

test("work goes on in its order, so much at once; a place is never lost, also if work fails", async () => {
  const slots = new Slots({ max: 2, maxWaiting: 10, what: "things" });
  const began: number[] = [];
  const gates = Array.from({ length: 6 }, () => Promise.withResolvers<void>());
  const running = gates.map((gate, i) => slots.run(never, async () => {
    began.push(i);
    await gate.promise;
    if (i % 2 === 1) throw new Error(`failed ${i}`);
    return i;
  }));
  const settled = Promise.allSettled(running);
  for (const gate of gates) gate.resolve();
  assert.deepEqual((await settled).map((result) => (result.status === "fulfilled" ? result.value : String(result.reason))), [0, "Error: failed 1", 2, "Error: failed 3", 4, "Error: failed 5"]);
  assert.deepEqual(began, [0, 1, 2, 3, 4, 5]);
  assert.deepEqual([slots.running, slots.waiting], [0, 0]);
});

test("what waits can give up, and too much is refused", async () => {
  const slots = new Slots({ max: 1, maxWaiting: 2, what: "things" });
  const gate = Promise.withResolvers<void>();
  const first = slots.run(never, () => gate.promise);
  const giveUp = new AbortController();
  const second = assert.rejects(slots.run(giveUp.signal, async () => {}), { code: "CANCELLED" });
  const third = slots.run(never, async () => "third");
  await assert.rejects(slots.run(never, async () => {}), { code: "RESOURCE_EXHAUSTED", message: "2 things are waiting already: try again later" });
  giveUp.abort();
  await second;
  assert.equal(slots.waiting, 1);
  await assert.rejects(slots.run(giveUp.signal, async () => {}), { code: "CANCELLED" });
  gate.resolve();
  await first;
  assert.equal(await third, "third");
  assert.deepEqual([slots.running, slots.waiting], [0, 0]);
});
