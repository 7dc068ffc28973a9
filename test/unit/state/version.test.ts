/** Versions always rise, keep the magnitude of Unix seconds shifted by 16, and survive clocks that jump. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { VersionClock, versionToBigInt } from "../../../src/main/state/version.ts";
import { FakeClock } from "../../support/fake-clock.ts";

test("a version is the wall clock's seconds shifted by 16, with a counter below", () => {
  const clock = new VersionClock(new FakeClock(1_700_000_000_000));
  assert.equal(versionToBigInt(clock.tick()), 1_700_000_000n << 16n);
  assert.equal(versionToBigInt(clock.tick()), (1_700_000_000n << 16n) + 1n);
});

test("more than 65,536 versions in one second borrow from the next and still rise", () => {
  const clock = new VersionClock(new FakeClock());
  let last = versionToBigInt(clock.tick());
  for (let i = 0; i < 200_000; i++) {
    const next = versionToBigInt(clock.tick());
    assert.ok(next > last);
    last = next;
  }
  assert.equal(last >> 16n, 1_700_000_003n);
});

test("a wall clock that runs backwards is told and does not lower versions", () => {
  const wall = new FakeClock();
  let violations = 0;
  const clock = new VersionClock(wall, () => violations++);
  const before = versionToBigInt(clock.tick());
  wall.setWall(wall.now() - 3_600_000);
  assert.ok(versionToBigInt(clock.tick()) > before);
  assert.equal(violations, 1);
});

test("the API server's clock lifts ours, but one far ahead is not believed", () => {
  const wall = new FakeClock(1_700_000_000_000);
  const clock = new VersionClock(wall);
  clock.observe(1_700_000_100_000);
  assert.equal(versionToBigInt(clock.tick()) >> 16n, 1_700_000_100n);
  clock.observe(1_900_000_000_000);
  clock.observe(Number.NaN);
  assert.equal(versionToBigInt(clock.tick()) >> 16n, 1_700_000_100n);
});

test("whatever the clocks do, versions rise", () => {
  fc.assert(
    fc.property(fc.array(fc.record({ wall: fc.integer({ min: 0, max: 4_000_000_000_000 }), observed: fc.option(fc.double(), { nil: undefined }) })), (steps) => {
      const wall = new FakeClock();
      const clock = new VersionClock(wall);
      let last = -1n;
      for (const step of steps) {
        wall.setWall(step.wall);
        if (step.observed !== undefined) clock.observe(step.observed);
        const next = versionToBigInt(clock.tick());
        assert.ok(next > last);
        last = next;
      }
    }),
  );
});
