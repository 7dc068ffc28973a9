/** Numbers that are written in place. */
import { test } from "node:test";
import assert from "node:assert/strict";
import { writeDigits } from "../../../../src/embedded/replay/digits.ts";

test("digits are written in place, with zeros before them, and nothing beside them is touched", () => {
  for (const [value, text] of [[0, "..0000000000.."], [7, "..0000000007.."], [1_000_000_010, "..1000000010.."], [9_999_999_999, "..9999999999.."], [4_294_967_296, "..4294967296.."]] as const) {
    const bytes = Buffer.from("..............");
    writeDigits(bytes, 2, value, 10);
    assert.equal(bytes.toString(), text);
  }
});
