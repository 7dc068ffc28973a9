/** The gate before large answers: what it lets in, and when. */
import assert from "node:assert/strict";
import { setImmediate as nextTurn } from "node:timers/promises";
import { test } from "node:test";
import { WsmanError } from "../../../src/domain/errors.ts";
import { AnswerGate, type Pass } from "../../../src/main/rpc/answer-gate.ts";

const limits = { maxBytes: 100, maxCalls: 3, maxWaiting: 5 };
const never = new AbortController().signal;

/** Enters so many times; gives those that were admitted, in order, as they are. */
function enter(gate: AnswerGate, calls: number, signal = never): { readonly order: number; readonly pass: Pass }[] {
  const admitted: { order: number; pass: Pass }[] = [];
  for (let order = 0; order < calls; order++) void gate.enter(signal).then((pass) => admitted.push({ order, pass }), () => undefined);
  return admitted;
}

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await nextTurn();
}

test("one call is admitted in a turn of the event loop, first come first served, up to the most at once", async () => {
  const gate = new AnswerGate(limits);
  const admitted = enter(gate, 5);
  const seen: number[] = [];
  for (let i = 0; i < 10; i++) {
    await nextTurn();
    seen.push(admitted.length);
  }
  assert.ok(seen.every((count, i) => count - (seen[i - 1] ?? 0) <= 1), "never two in a turn");
  assert.deepEqual(admitted.map(({ order }) => order), [0, 1, 2]);
  admitted[1]?.pass.leave();
  admitted[1]?.pass.leave();
  await turns(10);
  assert.deepEqual(admitted.map(({ order }) => order), [0, 1, 2, 3]);
  assert.equal(gate.waiting, 1);
});

test("while answers that were not taken fill the room, others wait for it", async () => {
  const gate = new AnswerGate(limits);
  const [first] = [await gate.enter(never)];
  first.holds(100);
  const admitted = enter(gate, 1);
  await turns(10);
  assert.equal(admitted.length, 0);
  first.leave();
  await turns(10);
  assert.equal(admitted.length, 1);
  first.holds(1_000_000);
  const next = enter(gate, 1);
  await turns(10);
  assert.equal(next.length, 1, "who has left holds nothing");
});

test("who gives up waits no more, and one too many is refused", async () => {
  const gate = new AnswerGate(limits);
  const giveUp = new AbortController();
  const refusals: unknown[] = [];
  for (let i = 0; i < limits.maxWaiting; i++) gate.enter(giveUp.signal).catch((error: unknown) => refusals.push(error));
  await assert.rejects(gate.enter(never), (error) => error instanceof WsmanError && error.code === "RESOURCE_EXHAUSTED");
  giveUp.abort();
  await turns(10);
  assert.equal(gate.waiting, 0);
  assert.equal(refusals.length, limits.maxWaiting);
  assert.ok(refusals.every((error) => error instanceof WsmanError && error.code === "CANCELLED"));
  await gate.enter(never);
});
