/** RFC 3339 times. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { formatRfc3339, parseRfc3339, parseTimeMs } from "../../../src/domain/rfc3339.ts";

describe("RFC 3339 times", () => {
  it("are read to the nanosecond, in any offset", () => {
    assert.deepEqual(parseRfc3339("2020-02-28T10:44:36.995133911Z"), { seconds: 1582886676, nanos: 995133911 });
    assert.deepEqual(parseRfc3339("2020-02-28T12:14:36.5+01:30"), { seconds: 1582886676, nanos: 500000000 });
    assert.deepEqual(parseRfc3339("2020-02-28T09:44:36-01:00"), { seconds: 1582886676, nanos: 0 });
    assert.deepEqual(parseRfc3339("1969-12-31T23:59:59.25Z"), { seconds: -1, nanos: 250000000 });
    assert.deepEqual(parseRfc3339("2000-02-29T00:00:00Z"), { seconds: 951782400, nanos: 0 });
    assert.deepEqual(parseRfc3339("0000-02-29T00:00:00Z"), { seconds: -62162121600, nanos: 0 });
    assert.equal(parseTimeMs("1969-12-31T23:59:59.25Z"), -750);
  });
  it("are refused when they are none", () => {
    const bad = ["", "now", "2020-02-28", "2020-02-30T00:00:00Z", "2021-02-29T00:00:00Z", "1900-02-29T00:00:00Z", "2020-04-31T00:00:00Z", "2020-00-10T00:00:00Z", "2020-01-00T00:00:00Z", "2020-01-32T00:00:00Z", "2020-13-01T00:00:00Z", "2020-01-01T24:00:00Z", "2020-01-01T00:00:60Z", "2020-01-01T00:00:00", "2020-01-01T00:00:00+25:00", "2020-01-01 00:00:00Z", `2020-01-01T00:00:00.${"0".repeat(1e6)}Z`];
    for (const text of bad) assert.equal(parseRfc3339(text), undefined, text.slice(0, 40));
    assert.equal(parseTimeMs(undefined), undefined);
  });
  it("are read as they were written", () => {
    const seconds = fc.integer({ min: -62135596800, max: 253402300799 });
    fc.assert(fc.property(seconds, fc.oneof(fc.constantFrom(0, 5e8, 1000, 1), fc.nat(999_999_999)), (s, nanos) => assert.deepEqual(parseRfc3339(formatRfc3339({ seconds: s, nanos })), { seconds: s, nanos })));
    assert.deepEqual([0, 5e8, 1000, 1].map((nanos) => formatRfc3339({ seconds: 0, nanos })), ["1970-01-01T00:00:00Z", "1970-01-01T00:00:00.500Z", "1970-01-01T00:00:00.000001Z", "1970-01-01T00:00:00.000000001Z"]);
  });
});
