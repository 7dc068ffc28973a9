/** Tokens: their alphabet, their fairness, their source. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { randomToken } from "../../../src/main/render/token.ts";

test("a token has 32 characters of the alphabet", () => {
  let next = 0;
  const token = randomToken((count) => Uint8Array.from({ length: count }, () => next++ % 256));
  assert.match(token, /^[0-9A-Za-z_.-]{32}$/);
});

test("each character comes from as many bytes as any other; bytes that would favour some are not used", () => {
  const counts = new Map<string, number>();
  for (let byte = 0; byte < 195; byte++) {
    const char = randomToken((count) => new Uint8Array(count).fill(byte)).charAt(0);
    counts.set(char, (counts.get(char) ?? 0) + 1);
  }
  assert.deepEqual([counts.size, new Set(counts.values())], [65, new Set([3])]);
  for (let byte = 195; byte < 256; byte++) assert.throws(() => randomToken((count) => new Uint8Array(count).fill(byte)));
});

test("a source that gives nothing usable ends with an error, not in a loop", () => {
  assert.throws(() => randomToken(() => new Uint8Array(0)), /random numbers/);
});
