/** Text for people outside: what is taken out, and what stays. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { publicText } from "../../../src/domain/redact.ts";

const clean = (text: string): string => publicText(text, 1024);

test("URLs lose user, query and fragment, and keep the rest", () => {
  assert.equal(clean("cannot fetch https://jane:pw@git.example.com/a/b?sig=abc&x=1#frag: 403"), "cannot fetch https://git.example.com/a/b?… 403");
  assert.equal(clean("gs://bucket/path/full.tar is missing"), "gs://bucket/path/full.tar is missing");
  assert.equal(clean("https://oauth2:ghp_abc@github.com/a.git"), "https://github.com/a.git");
});

test("values that are called secret are taken out, with whatever is around them", () => {
  for (const text of ["token=abc123", "ownerToken: abc123", '"password": "abc123"', "X-Amz-Signature=abc123,", "api_key='abc123'", "authorization: Bearer abc123456", "AWS_SECRET_ACCESS_KEY=abc123"]) assert.ok(!clean(text).includes("abc123"), clean(text));
});

test("ordinary words stay as they are", () => {
  for (const text of ["workspace timed out after period of inactivity (00h31m) took longer than 00h30m", "cannot initialize workspace: no such branch main", "the token has expired", "recreated after OutOfcpu: 5 attempts"]) assert.equal(clean(text), text);
});

test("the text is one line of well-formed Unicode, of at most so many bytes, whatever comes in", () => {
  assert.equal(clean("a\n\tb\u0000c\u2028d"), "a b c d");
  assert.equal(publicText("ä".repeat(100), 20), `${"ä".repeat(8)}…`);
  fc.assert(fc.property(fc.string({ unit: "binary", maxLength: 3_000 }), fc.integer({ min: 4, max: 2_000 }), (text, bound) => {
    const result = publicText(text, bound);
    assert.ok(result.isWellFormed() && Buffer.byteLength(result) <= bound && !/[\n\r\0]/.test(result));
  }));
});

test("long and hostile text takes no time", () => {
  const from = performance.now();
  for (const piece of ["a://", "token", "token=", "x@", "bearer ", '"', "-", "https://a@"]) publicText(piece.repeat(200_000), 1024);
  // Minutes, if it grew with the square of the length.
  assert.ok(performance.now() - from < 20_000);
});
