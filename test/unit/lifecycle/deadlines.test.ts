/** When workspaces are due: exactly then, in order, never early, never lost, in bounded memory, and whatever is done to the clocks. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { TimeHeap } from "../../../src/domain/heap.ts";
import { Deadlines, type DeadlinesOptions } from "../../../src/main/lifecycle/deadlines.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";
import { RecordingLog } from "../kube/helpers.ts";

interface Told {
  readonly key: string;
  readonly dueAt: number;
  readonly at: number;
}

function setup(options: Partial<DeadlinesOptions> = {}): { readonly clock: FakeClock; readonly told: Told[]; readonly log: RecordingLog; readonly deadlines: Deadlines } {
  const clock = new FakeClock(1_000_000);
  const [told, log] = [new Array<Told>(), new RecordingLog()];
  const deadlines = new Deadlines({ clock, log, recheckMs: 30_000, onDue: (key, dueAt) => void told.push({ key, dueAt, at: clock.now() }), ...options });
  return { clock, told, log, deadlines };
}

test("a key is told when it is due, once, and not at all if its time is taken away", () => {
  const { clock, told, deadlines } = setup();
  deadlines.set("a", 1_000_500);
  deadlines.set("b", 1_000_400);
  deadlines.set("never", 1_000_450);
  deadlines.set("never", undefined);
  deadlines.set("odd", Number.NaN);
  assert.deepEqual([deadlines.size, deadlines.get("a"), deadlines.get("never")], [2, 1_000_500, undefined]);
  clock.advance(399);
  assert.deepEqual(told, []);
  clock.advance(10_000);
  assert.deepEqual(told, [{ key: "b", dueAt: 1_000_400, at: 1_000_400 }, { key: "a", dueAt: 1_000_500, at: 1_000_500 }]);
  assert.deepEqual([deadlines.size, deadlines.entries], [0, 0]);
});

test("what is due already is told with the next turn, not within the call", () => {
  const { clock, told, deadlines } = setup();
  deadlines.set("a", 5);
  assert.equal(told.length, 0);
  clock.advance(0);
  assert.equal(told.length, 1);
});

test("a time that moves on and on is told at the last one; one that is moved forward again, at that", () => {
  const { clock, told, deadlines } = setup();
  for (let i = 1; i <= 1_000; i++) {
    deadlines.set("a", 1_000_000 + i * 100 + 5_000);
    clock.advance(100);
  }
  assert.deepEqual([told.length, deadlines.entries], [0, 1]);
  deadlines.set("a", clock.now() + 10);
  clock.advance(10);
  assert.deepEqual(told.map(({ at, dueAt }) => [at, dueAt]), [[clock.now(), clock.now()]]);
  clock.advance(100_000);
  assert.equal(told.length, 1);
});

test("what is told may be set again, and what fails keeps nobody else from being told", () => {
  const told: string[] = [];
  const { clock, log, deadlines } = setup({
    onDue: (key, dueAt) => {
      told.push(key);
      if (key === "again" && told.length < 5) deadlines.set("again", dueAt + 1_000);
      if (key === "bad") throw new Error("broken");
    },
  });
  for (const key of ["bad", "again"]) deadlines.set(key, 1_000_100);
  clock.advance(10_000);
  assert.deepEqual([told.filter((key) => key === "again").length, told.filter((key) => key === "bad").length], [4, 1]);
  assert.deepEqual(log.entries.map(({ level, fields }) => [level, fields]), [["error", { key: "bad", error: "broken" }]]);
});

test("many that are due together are told some at a time, with turns for others in between", () => {
  const clock = new VirtualClock();
  let told = 0;
  const inTurns: number[] = [];
  const deadlines = new Deadlines({ clock, log: new RecordingLog(), recheckMs: 30_000, onDue: () => void told++ });
  for (let i = 0; i < 20_000; i++) deadlines.set(`${i}`, clock.now() + 1_000);
  const look = (): void => {
    inTurns.push(told);
    if (told < 20_000) clock.timer(0, look);
  };
  clock.timer(1_000, look);
  clock.advance(1_000);
  assert.equal(told, 20_000);
  const steps = inTurns.map((count, i) => count - (inTurns[i - 1] ?? 0));
  assert.ok(inTurns.length > 60 && Math.max(...steps) <= 256, `${inTurns.length} turns, at most ${Math.max(...steps)}`);
});

test("a wall clock that is set forward is noticed within the time to look again, and told before anything is told as due", () => {
  const order: unknown[] = [];
  const { clock, deadlines } = setup({ onDue: (key) => void order.push(key), onJump: (byMs) => void order.push(byMs) });
  deadlines.set("a", 1_000_000 + 3_600_000);
  clock.advance(1_000);
  clock.setWall(clock.now() + 3_600_000);
  clock.advance(30_000);
  assert.deepEqual(order, [3_600_000, "a"]);
});

test("after a jump one may set what is to be later, before it is told", () => {
  const told: string[] = [];
  const { clock, deadlines } = setup({ onDue: (key) => void told.push(key), onJump: () => deadlines.set("active", clock.now() + 600_000) });
  for (const key of ["active", "idle"]) deadlines.set(key, 1_000_000 + 600_000);
  clock.advance(1_000);
  clock.setWall(clock.now() + 3_600_000);
  clock.advance(29_000);
  assert.deepEqual(told, ["idle"]);
  clock.advance(600_000);
  assert.deepEqual(told, ["idle", "active"]);
});

test("a wall clock that is set back is told, and nothing is early by it; small corrections are not told, but their sum is", () => {
  const jumps: number[] = [];
  const { clock, told, deadlines } = setup({ onJump: (byMs) => void jumps.push(byMs) });
  deadlines.set("a", 1_000_000 + 100_000);
  clock.advance(50_000);
  clock.setWall(clock.now() - 3_600_000);
  clock.advance(60_000);
  assert.deepEqual([jumps, told.length], [[-3_600_000], 0]);
  for (let i = 0; i < 3; i++) {
    clock.setWall(clock.now() + 25_000);
    clock.advance(30_000);
  }
  assert.deepEqual(jumps, [-3_600_000, 75_000]);
  clock.advance(3_600_000);
  assert.ok(told[0] && told[0].at >= 1_100_000);
});

test("a process that was stopped is told so, before anything is told as due", () => {
  const order: unknown[] = [];
  const late = new (class extends FakeClock {
    behind = 0;
    override monotonic(): number {
      return super.monotonic() + this.behind;
    }
    override now(): number {
      return super.now() + this.behind;
    }
  })(1_000_000);
  const deadlines = new Deadlines({ clock: late, log: new RecordingLog(), recheckMs: 30_000, onDue: (key) => void order.push(key), onPause: (ms) => void order.push(ms), onJump: () => void order.push("jump") });
  deadlines.set("a", 1_100_000);
  late.behind = 7_200_000;
  late.advance(30_000);
  assert.deepEqual(order, [7_200_000, "a"]);
});

test("when it is closed, nothing is told any more, and nothing is kept", () => {
  const { clock, told, deadlines } = setup();
  deadlines.set("a", 1_000_100);
  deadlines.close();
  deadlines.set("b", 1_000_100);
  clock.advance(100_000);
  assert.deepEqual([told, deadlines.size, deadlines.entries], [[], 0, 0]);
});

type Step = readonly ["set", number, number] | readonly ["unset", number] | readonly ["pass", number] | readonly ["jump", number];
const keys = fc.integer({ min: 0, max: 30 });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 10, arbitrary: fc.tuple(fc.constant("set" as const), keys, fc.integer({ min: -5_000, max: 200_000 })) },
  { weight: 2, arbitrary: fc.tuple(fc.constant("unset" as const), keys) },
  { weight: 5, arbitrary: fc.tuple(fc.constant("pass" as const), fc.integer({ min: 0, max: 100_000 })) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("jump" as const), fc.integer({ min: -300_000, max: 300_000 })) },
);

test("any history: never early, in order, at the last time that was set, exactly then unless the clock was set, never lost, and bounded", () => {
  fc.assert(fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
    const clock = new FakeClock(1_000_000);
    const model = new Map<string, number>();
    let disturbed = false;
    const deadlines = new Deadlines({
      clock,
      log: new RecordingLog(),
      recheckMs: 30_000,
      onDue: (key, dueAt) => {
        assert.equal(dueAt, model.get(key), "the last time that was set");
        assert.ok(clock.now() >= dueAt, "never early");
        if (!disturbed) assert.ok(clock.now() === dueAt || pastAtSet.has(key), "exactly then");
        assert.ok([...model.values()].every((other) => other >= dueAt), "in order");
        model.delete(key);
      },
    });
    const pastAtSet = new Set<string>();
    const run: { readonly [Kind in Step[0]]: (a: number, b: number) => void } = {
      set(key, delta) {
        model.set(`${key}`, clock.now() + delta);
        if (delta < 0) pastAtSet.add(`${key}`);
        else pastAtSet.delete(`${key}`);
        deadlines.set(`${key}`, clock.now() + delta);
      },
      unset(key) {
        model.delete(`${key}`);
        deadlines.set(`${key}`, undefined);
      },
      pass: (ms) => clock.advance(ms),
      jump(ms) {
        disturbed = true;
        clock.setWall(clock.now() + ms);
      },
    };
    for (const [kind, a, b] of steps) {
      run[kind](a, b ?? 0);
      assert.equal(deadlines.size, model.size);
      assert.ok(deadlines.entries <= 2 * model.size + 65, `${deadlines.entries} entries for ${model.size} keys`);
    }
    clock.advance(Math.max(0, ...[...model.values()].map((at) => at - clock.now())) + 120_000);
    assert.deepEqual([...model], [], "never lost");
  }), { numRuns: 300 });
});

test("a time that is moved forward and taken away all the time leaves no more behind than twice the keys", () => {
  const { clock, told, deadlines } = setup();
  for (let round = 0; round < 100; round++) for (let i = 0; i < 100; i++) deadlines.set(`${i}`, 2_000_000_000 - round * 1_000 - i);
  assert.equal(deadlines.size, 100);
  assert.ok(deadlines.entries <= 265, `${deadlines.entries} entries`);
  for (let i = 0; i < 100; i++) deadlines.set(`${i}`, undefined);
  assert.ok(deadlines.entries <= 65, `${deadlines.entries} entries`);
  clock.advance(3_000_000_000);
  assert.deepEqual(told, []);
});

test("a heap gives the earliest first, however it was filled, and whatever was taken out", () => {
  fc.assert(fc.property(fc.array(fc.integer({ min: 0, max: 100 })), fc.integer({ min: 1, max: 5 }), (times, every) => {
    const heap = new TimeHeap<{ readonly at: number }>();
    for (const at of times) heap.push({ at });
    heap.keep(({ at }) => at % every === 0);
    const expected = times.filter((at) => at % every === 0).toSorted((a, b) => a - b);
    assert.equal(heap.size, expected.length);
    assert.deepEqual(expected.map(() => [heap.peek()?.at, heap.pop()?.at][1]), expected);
    assert.equal(heap.pop(), undefined);
  }));
});
