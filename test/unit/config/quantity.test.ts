/** Kubernetes quantities. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseQuantity } from "../../../src/domain/quantity.ts";

const valid: readonly (readonly [string, number])[] = [
  ["0", 0], ["1", 1], ["900m", 0.9], ["1.5Gi", 1.5 * 2 ** 30], [".5", 0.5], ["5.", 5], ["1e3", 1000], ["1E3", 1000], ["12E", 12e18], ["12E3", 12_000], ["12Ei", 12 * 2 ** 60],
  ["1k", 1000], ["1Ki", 1024], ["250u", 250e-6], ["3n", 3e-9], ["+2M", 2e6], ["-1", -1], ["2T", 2e12], ["1P", 1e15], ["1Pi", 2 ** 50], ["5e-1", 0.5],
];

test("quantities parse as Kubernetes parses them", () => {
  for (const [text, expected] of valid) {
    const value = parseQuantity(text);
    assert.ok(value !== undefined && Math.abs(value - expected) <= Math.abs(expected) * 1e-12, `${text}: ${value}`);
  }
});

test("what is no quantity is refused", () => {
  for (const text of ["", " 1", "1 ", "1K", "1ki", "1mi", "Gi", "1e", "1e3Gi", "1GiB", "1.2.3", "0x10", "NaN", "Infinity", "1e999", "--1", "1,5", "１", "1".repeat(65)]) {
    assert.equal(parseQuantity(text), undefined, text);
  }
});
