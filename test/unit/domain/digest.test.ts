/** Names of starts: the same for the same token, others for others, and none for none. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { startOf } from "../../../src/domain/digest.ts";

test("starts are told apart by their tokens, as numbers that stay exact; no token names no start", () => {
  const tokens = Array.from({ length: 50_000 }, (_, i) => `token-${i}-${"x".repeat(i % 20)}`);
  const starts = tokens.map(startOf);
  assert.equal(new Set(starts).size, tokens.length);
  assert.ok(starts.every((start) => Number.isSafeInteger(start) && start > 0));
  assert.equal(startOf("token-7-xxxxxxx"), starts[7]);
  assert.equal(startOf(""), 0);
});

test("any part of a token counts, whatever stands before and behind it", () => {
  const bits = (a: number, b: number): number => (BigInt(a) ^ BigInt(b)).toString(2).replaceAll("0", "").length;
  const base = "aB3-".repeat(8);
  for (let i = 0; i < base.length; i++) {
    const other = base.slice(0, i) + "z" + base.slice(i + 1);
    assert.ok(bits(startOf(base), startOf(other)) >= 4, `character ${i}`);
  }
});
