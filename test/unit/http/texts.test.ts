/** Numbers as the page shows them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ago, bytes, duration, milliseconds, percent, plainCount } from "../../../src/main/http/texts.ts";

test("durations have the two units that matter", () => {
  const told: readonly (readonly [number, string])[] = [[0, "0 s"], [0.254, "0.25 s"], [9.94, "9.9 s"], [59.4, "59 s"], [59.6, "1 min"], [200, "3 min 20 s"], [3599.6, "1 h"], [18_600, "5 h 10 min"], [86_400, "1 d"], [273_600, "3 d 4 h"]];
  for (const [seconds, text] of told) assert.equal(duration(seconds), text);
});

test("other numbers are as short as they can be read at a glance", () => {
  assert.deepEqual([0.42, 12.4, 1200].map(milliseconds), ["0.4 ms", "12 ms", "1200 ms"]);
  assert.deepEqual([10, 5000, 1_500_000, 136_314_880, 3_221_225_472].map(bytes), ["0 KiB", "5 KiB", "1.4 MiB", "130 MiB", "3 GiB"]);
  assert.deepEqual([0, 0.0312, 0.5, 1.7].map(percent), ["0 %", "3.1 %", "50 %", "170 %"]);
  assert.equal(plainCount(12_345), "12,345");
  assert.deepEqual([0.01, 0.99, 1, 400].map(ago), ["just now", "just now", "1 s ago", "6 min 40 s ago"]);
});
