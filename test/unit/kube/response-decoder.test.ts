/** Responses as a socket brings them, in whatever pieces. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { KubeError } from "../../../src/main/kube/errors.ts";
import type { ResponseHead } from "../../../src/main/kube/http/exchange.ts";
import { ResponseDecoder } from "../../../src/main/kube/http/response-decoder.ts";

/** What was told of a response. */
interface Told {
  head: ResponseHead | undefined;
  body: Buffer;
  done: boolean;
  /** Bytes that were left alone. */
  rest: number;
}

/** Pushes the bytes in pieces of these sizes (again and again). @param goOn whether the listener takes the n-th part without a pause. */
function decode(bytes: Buffer, sizes: readonly number[], close = false, goOn: (part: number) => boolean = () => true): Told {
  const told: Told = { head: undefined, body: Buffer.alloc(0), done: false, rest: 0 };
  const parts: Buffer[] = [];
  const decoder = new ResponseDecoder({ head: (head) => void (told.head = head), data: (part) => goOn(parts.push(Buffer.from(part))) });
  let from = 0;
  for (let i = 0; from < bytes.length && !decoder.done; i++) {
    const to = Math.min(bytes.length, from + (sizes[i % sizes.length] ?? 1));
    // As a socket's memory: what was decoded is overwritten.
    const memory = Buffer.from(bytes.subarray(from, to));
    for (let at = 0; at < memory.length && !decoder.done; ) {
      const next = decoder.push(memory, at, memory.length);
      memory.fill(0xff, at, next);
      assert.ok(next > at, "every call gets on");
      at = next;
      told.rest = bytes.length - from - at;
    }
    from = to;
  }
  if (close) decoder.finish();
  return { ...told, body: Buffer.concat(parts), done: decoder.done };
}

function failure(bytes: string, close = false): KubeError {
  try {
    decode(Buffer.from(bytes, "latin1"), [bytes.length], close);
  } catch (error) {
    assert.ok(error instanceof KubeError);
    return error;
  }
  return assert.fail(`taken: ${JSON.stringify(bytes.slice(0, 80))}`);
}

const sizes = fc.array(fc.integer({ min: 1, max: 70 }), { minLength: 1, maxLength: 8 });
const body = fc.array(fc.uint8Array({ minLength: 1, maxLength: 100 }), { maxLength: 8 });
const ok = "HTTP/1.1 200 OK\r\n";

describe("a response", () => {
  test("in chunks comes out as it was, whatever the reads, the extensions, the trailers and the pauses", () => {
    const around = fc.record({ extension: fc.constantFrom("", ";a=b", " ; x", "\t"), upper: fc.boolean(), zeros: fc.integer({ min: 0, max: 4 }), trailers: fc.constantFrom("", "a: b\r\n", "a: b\r\nc: d\r\n"), early: fc.constantFrom("", "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n") });
    fc.assert(fc.property(body, sizes, around, fc.array(fc.boolean(), { minLength: 1, maxLength: 5 }), (chunks, reads, { extension, upper, zeros, trailers, early }, takes) => {
      const size = (n: number): string => "0".repeat(zeros) + (upper ? n.toString(16).toUpperCase() : n.toString(16)) + extension;
      const pieces = chunks.flatMap((chunk) => [Buffer.from(`${size(chunk.length)}\r\n`), chunk, Buffer.from("\r\n")]);
      const bytes = Buffer.concat([Buffer.from(`${early}${ok}Transfer-Encoding: Chunked\r\nX: 1\r\nx: 2\r\n\r\n`), ...pieces, Buffer.from(`0\r\n${trailers}\r\nbeyond`)]);
      const told = decode(bytes, reads, true, (part) => takes[part % takes.length] ?? true);
      assert.equal(told.head?.status, 200);
      assert.deepEqual(told.head?.headers["x"], ["1", "2"]);
      assert.deepEqual(told.body, Buffer.concat(chunks));
      assert.ok(told.done);
      assert.ok(told.rest >= "beyond".length - 70);
    }));
  });

  test("with a length ends there, and one without ends with the connection", () => {
    fc.assert(fc.property(body, sizes, fc.boolean(), (chunks, reads, counted) => {
      const content = Buffer.concat(chunks);
      const told = decode(Buffer.concat([Buffer.from(`${ok}${counted ? `content-length: ${content.length}\r\n` : ""}\r\n`), content]), reads, true);
      assert.deepEqual(told.body, content);
      assert.ok(told.done);
    }));
    assert.equal(decode(Buffer.from(`${ok}content-length: 2\r\n\r\nabc`), [100]).body.toString(), "ab");
    assert.ok(decode(Buffer.from("HTTP/1.1 204\r\n\r\n"), [100]).done);
  });

  test("may have headers of any name", () => {
    const { head } = decode(Buffer.from(`${ok}constructor: a\r\n__proto__: b\r\n__proto__: c\r\ncontent-length: 0\r\n\r\n`), [7]);
    assert.deepEqual(Object.entries(head?.headers ?? {}), [["constructor", "a"], ["__proto__", ["b", "c"]], ["content-length", "0"]]);
  });

  test("that breaks off is told as such, wherever it does", () => {
    const whole = `${ok}transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n`;
    for (let length = 1; length < whole.length; length++) assert.equal(failure(whole.slice(0, length), true).reason, "Truncated", `after ${length} bytes`);
    assert.equal(failure(`${ok}content-length: 3\r\n\r\nab`, true).reason, "Truncated");
  });

  test("that is none is refused, as is what nobody asked for, and what has no end where it should", () => {
    const chunked = `${ok}transfer-encoding: chunked\r\n\r\n`;
    const bad = [
      "SSH-2.0-OpenSSH_9.2\r\n\r\n", "HTTP/2 200\r\n\r\n", "HTTP/1.1 2000 OK\r\n\r\n", "HTTP/1.1 000 OK\r\n\r\n", "HTTP/1.1 101 Switching Protocols\r\n\r\n", `${ok}no header\r\n\r\n`, `${ok}: x\r\n\r\n`, `${ok}a: b\r\n folded\r\n\r\n`,
      `${ok}content-length: x\r\n\r\n`, `${ok}content-length: -1\r\n\r\n`, `${ok}content-length: 1\r\ncontent-length: 2\r\n\r\n`, `${ok}transfer-encoding: gzip, chunked\r\n\r\n`,       `${chunked}\r\n`, `${chunked}g\r\n`, `${chunked}-1\r\n`, `${chunked}3\nabc`, `${chunked}3\r\nabcd\r\n`, `${chunked}3\r\nabc\n`, `${chunked}${"f".repeat(14)}\r\n`, `${chunked}0${"0".repeat(13)}\r\n`,
      `${ok}${"x".repeat(70_000)}`, `${chunked}1;${"x".repeat(2000)}`, `${chunked}0\r\n${"x: y\r\n".repeat(20_000)}`,
    ];
    for (const bytes of bad) assert.equal(failure(bytes).reason, "NotHTTP", bytes.slice(0, 80));
    assert.equal(failure(`${ok}content-encoding: gzip\r\n\r\n`).reason, "Malformed");
  });

  test("that is any bytes at all gives a KubeError or a response, and never anything else", () => {
    const piece = fc.oneof(fc.constantFrom("HTTP/1.1 200 OK", "\r\n", "\r\n\r\n", "transfer-encoding: chunked", "content-length: 5", "5", "0", ";", "abcde", ":"), fc.string({ maxLength: 5 }));
    fc.assert(fc.property(fc.array(piece, { maxLength: 20 }), sizes, (pieces, reads) => {
      try {
        decode(Buffer.from(pieces.join(""), "latin1"), reads, true);
      } catch (error) {
        assert.ok(error instanceof KubeError, String(error));
      }
    }), { numRuns: 1000 });
  });
});
