/** Go durations. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { formatGoDuration, parseGoDuration } from "../../../src/domain/duration.ts";

describe("Go durations", () => {
  it("are read as Go does", () => {
    const good: [string, number][] = [["30s", 30e3], ["1h30m", 5400e3], ["1.5h", 5400e3], ["250ms", 250], ["0", 0], ["-1m", -60e3], ["+5s", 5e3], [".5s", 500], ["1.s", 1e3], ["3us", 0.003], ["3µs", 0.003], ["7ns", 7e-6], ["1s1h", 3601e3]];
    for (const [text, ms] of good) assert.equal(parseGoDuration(text), ms, text);
    for (const text of ["", "1", "s", "1 s", "1h 2m", "1d", "--1s", "-", ".s", "1s2", "1e3s", "300000000h", "٣s", "1s\n"]) assert.equal(parseGoDuration(text), undefined, text);
  });
  it("are printed as Go does", () => {
    const cases: [number, string][] = [[0, "0s"], [30 * 60e3, "30m0s"], [3600e3, "1h0m0s"], [1500, "1.5s"], [250, "250ms"], [36 * 3600e3, "36h0m0s"], [-90e3, "-1m30s"], [0.5, "500µs"], [61.5e3, "1m1.5s"]];
    for (const [ms, text] of cases) assert.equal(formatGoDuration(ms), text);
  });
  it("are read as they were printed", () => fc.assert(fc.property(fc.integer({ min: -1e12, max: 1e12 }), (ms) => assert.ok(Math.abs((parseGoDuration(formatGoDuration(ms)) ?? Number.NaN) - ms) < 1e-3))));
});
