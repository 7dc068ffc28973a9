/** The splitter of watch bodies, and telling lines apart. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { KubeError } from "../../../src/main/kube/errors.ts";
import { LineSplitter } from "../../../src/main/kube/lines.ts";
import { readWatchLine } from "../../../src/main/kube/watchlines.ts";
import { chunked } from "./helpers.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

describe("lines of a watch", () => {
  test("any lines in any chunks come out in order, without what follows the last line break", async () => {
    const line = fc.string({ maxLength: 60 }).map((text) => text.replaceAll("\n", ""));
    await fc.assert(fc.asyncProperty(fc.array(line), line, fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 }), fc.boolean(), async (lines, rest, sizes, slow) => {
      const seen: string[] = [];
      const splitter = new LineSplitter((bytes) => {
        seen.push(decoder.decode(bytes));
        return slow ? Promise.resolve() : undefined;
      }, 1000);
      const body = encoder.encode([...lines, rest].join("\n"));
      for (const chunk of chunked(body, sizes)) await splitter.push(chunk);
      assert.deepEqual(seen, lines.filter((text) => text !== ""));
      assert.equal(splitter.pending, encoder.encode(rest).length);
    }));
  });

  test("a consumer that returns a promise gets the next line only after it resolved", async () => {
    const seen: string[] = [];
    const gate = Promise.withResolvers<void>();
    const splitter = new LineSplitter((bytes) => {
      seen.push(decoder.decode(bytes));
      return seen.length === 1 ? gate.promise : undefined;
    }, 1000);
    const pushed = splitter.push(encoder.encode("a\nb\nc\n"));
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(seen, ["a"]);
    gate.resolve();
    await pushed;
    assert.deepEqual(seen, ["a", "b", "c"]);
  });

  test("a line within one chunk is a view of it, not a copy", () => {
    const chunk = encoder.encode("abc\n");
    let buffer: unknown;
    void new LineSplitter((bytes) => { buffer = bytes.buffer; }, 10).push(chunk);
    assert.equal(buffer, chunk.buffer);
  });

  test("a line over the bound is refused, whether it ends or not", () => {
    for (const size of [1000, 7]) {
      const splitter = new LineSplitter(() => undefined, 100);
      assert.throws(() => {
        for (const chunk of chunked(encoder.encode(`${"x".repeat(101)}\n`), [size])) void splitter.push(chunk);
      }, (error) => error instanceof KubeError && error.reason === "TooLarge");
    }
  });
});

describe("kinds of lines", () => {
  const read = (value: unknown): unknown => readWatchLine(encoder.encode(typeof value === "string" ? value : JSON.stringify(value)));

  test("objects are told by their first bytes and not parsed", () => {
    for (const type of ["ADDED", "MODIFIED", "DELETED"]) assert.deepEqual(read(`{"type":"${type}","object":{not json`), { kind: "object" });
  });

  test("other forms of an event are parsed", () => {
    assert.deepEqual(read('{ "object": {}, "type": "MODIFIED" }'), { kind: "object" });
    assert.deepEqual(read({ object: { metadata: { resourceVersion: "12" } }, type: "BOOKMARK" }), { kind: "bookmark", resourceVersion: "12" });
  });

  test("an ERROR becomes the error that its Status describes", () => {
    const line = readWatchLine(encoder.encode('{"type":"ERROR","object":{"kind":"Status","code":429,"reason":"TooManyRequests","message":"slow","details":{"retryAfterSeconds":3}}}'));
    assert.ok(line.kind === "error");
    assert.deepEqual([line.error.status, line.error.reason, line.error.retryAfterMs, line.error.retryable], [429, "TooManyRequests", 3000, true]);
  });

  test("what is no watch event is refused as malformed", () => {
    const hostile = ["", "null", "[]", "1", "{}", '{"type":"NEW","object":{}}', '{"type":7}', '{"type":"BOOKMARK"}', '{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":5}}}', '{"__proto__":{"type":"ADDED"}}', '{"type":"ADDE'];
    for (const text of hostile) assert.throws(() => read(text), (error) => error instanceof KubeError && error.reason === "Malformed", text);
  });

  test("an ERROR without a Status counts as a server error", () => {
    for (const value of ['{"type":"ERROR"}', '{"type":"ERROR","object":[]}', '{"type":"ERROR","object":{"code":"x","details":7}}']) {
      const line = readWatchLine(encoder.encode(value));
      assert.ok(line.kind === "error" && line.error.status === 500 && line.error.retryable);
    }
  });
});
