/** Bounds of work that takes long: so much at a time, and a node that hangs is its own affair. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Gate } from "../../../src/main/lifecycle/gate.ts";

const never = new AbortController().signal;
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Work that the test ends. */
function work(gate: Gate, node: string, signal = never): { readonly done: Promise<void>; started: boolean; end(): void } {
  const ending = Promise.withResolvers<void>();
  const state = { started: false, end: () => ending.resolve(), done: Promise.resolve() };
  state.done = gate.run(node, signal, () => {
    state.started = true;
    return ending.promise;
  });
  return state;
}

test("a node that hangs takes its own share only, and the others go past those that wait for it", async () => {
  const gate = new Gate({ total: 4, perNode: 2 });
  const hanging = Array.from({ length: 5 }, () => work(gate, "a"));
  const [first, second] = [work(gate, "b"), work(gate, "c")];
  await settle();
  assert.deepEqual(hanging.map(({ started }) => started), [true, true, false, false, false]);
  assert.deepEqual([first.started, second.started], [true, true]);
  const third = work(gate, "d");
  await settle();
  assert.equal(third.started, false, "all places are taken");
  first.end();
  await settle();
  assert.equal(third.started, true);
  hanging[1]?.end();
  await settle();
  assert.deepEqual(hanging.map(({ started }) => started), [true, true, true, false, false]);
});

test("who waits goes in the order in which it came, and one that gives up leaves no gap", async () => {
  const gate = new Gate({ total: 1, perNode: 1 });
  const leaving = new AbortController();
  const [first, second, third] = [work(gate, "a"), work(gate, "b", leaving.signal), work(gate, "c")];
  const refused = assert.rejects(second.done);
  leaving.abort();
  await refused;
  first.end();
  await settle();
  assert.deepEqual([second.started, third.started], [false, true]);
  await assert.rejects(work(gate, "d", leaving.signal).done);
  third.end();
  await third.done;
  assert.equal(gate.running, 0);
});

test("the bounds hold, and in the end all was done, whatever fails or gives up", async () => {
  await fc.assert(fc.asyncProperty(fc.array(fc.record({ node: fc.constantFrom("a", "b", "c"), fails: fc.boolean(), leaves: fc.boolean() }), { maxLength: 30 }), async (jobs) => {
    const gate = new Gate({ total: 3, perNode: 2 });
    const running = new Map<string, number>();
    let most = 0;
    const all = jobs.map(async ({ node, fails, leaves }) => {
      const ending = new AbortController();
      const done = gate.run(node, ending.signal, async () => {
        running.set(node, (running.get(node) ?? 0) + 1);
        assert.ok((running.get(node) ?? 0) <= 2);
        most = Math.max(most, gate.running);
        await settle();
        running.set(node, (running.get(node) ?? 0) - 1);
        if (fails) throw new Error("failed");
      });
      if (leaves) ending.abort();
      await done.catch(() => {});
    });
    await Promise.all(all);
    assert.ok(most <= 3);
    assert.equal(gate.running, 0);
  }));
});
