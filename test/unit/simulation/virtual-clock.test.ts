/** The clock of simulations. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualClock } from "../../support/virtual-clock.ts";

test("however late it is, time passes before a timer that is not due at once", () => {
  const clock = new VirtualClock();
  clock.advance(30 * 86_400_000 + 0.3);
  const before = clock.monotonic();
  clock.timer(1e-10, () => {});
  assert.ok(clock.fireNext());
  assert.ok(clock.monotonic() > before);
});
