/** What was slow lately: the slowest of each kind, for a while, and no more of them than that. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { keptMs, keptPerKind, slowFrom, SlowOperations, type SlowKind } from "../../../src/metrics/slow-operations.ts";
import { FakeClock } from "../../support/fake-clock.ts";

function setup(): { readonly clock: FakeClock; readonly slow: SlowOperations; readonly note: (kind: SlowKind, seconds: number, what?: string) => void } {
  const clock = new FakeClock();
  const slow = new SlowOperations(() => clock.now());
  return { clock, slow, note: (kind, seconds, what = "x") => slow.note(kind, seconds, () => what) };
}

test("what is not slow is not kept, nor asked what it was", () => {
  const { slow } = setup();
  for (const seconds of [0, slowFrom.call - 0.001, Number.NaN, -1]) slow.note("call", seconds, () => assert.fail("nobody wants to know"));
  assert.deepEqual(slow.all(), []);
});

test("the slowest of each kind are kept, slowest first, with when they ended and whose they were", () => {
  const { slow, clock, note } = setup();
  for (const seconds of [3, 1, 9, 5, 7, 2]) note("call", seconds, `took ${seconds}`);
  clock.advance(1000);
  slow.note("start", 60, () => "REGULAR, class default", "w1");
  assert.deepEqual(slow.all().map(({ kind, seconds }) => [kind, seconds]), [["start", 60], ["call", 9], ["call", 7], ["call", 5], ["call", 3]]);
  assert.deepEqual(slow.all()[0], { kind: "start", what: "REGULAR, class default", seconds: 60, at: clock.now(), workspace: "w1" });
  assert.equal(slow.all()[1]?.at, clock.now() - 1000);
});

test("they are forgotten after a while, and make room for what is less slow", () => {
  const { slow, clock, note } = setup();
  for (let i = 0; i < keptPerKind; i++) note("list", 100);
  clock.advance(keptMs);
  note("list", 2);
  assert.deepEqual(slow.all().map(({ seconds }) => seconds), [100, 100, 100, 100]);
  clock.advance(1);
  assert.deepEqual(slow.all(), []);
  note("list", 3);
  note("list", 2);
  assert.deepEqual(slow.all().map(({ seconds }) => seconds), [3, 2]);
});

test("however many there are, few are kept", () => {
  const { slow, note } = setup();
  for (const kind of ["call", "publication", "API request"] as const) for (let i = 0; i < 10_000; i++) note(kind, 1 + (i % 977));
  assert.equal(slow.all().length, 3 * keptPerKind);
  assert.ok(slow.all().every(({ seconds }) => seconds === 977));
});
