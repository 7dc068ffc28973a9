/** The header of Jaeger's clients: what it is read as, and how it is written. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { defaultTextMapGetter, defaultTextMapSetter, ROOT_CONTEXT, trace } from "@opentelemetry/api";
import { jaegerPropagator } from "../../../src/main/tracing/jaeger.ts";

function read(header: string): unknown {
  const span = trace.getSpanContext(jaegerPropagator.extract(ROOT_CONTEXT, { "uber-trace-id": header }, defaultTextMapGetter));
  return span && [span.traceId, span.spanId, span.traceFlags, span.isRemote];
}

test("long and short IDs are read, escaped or not, in either case", () => {
  assert.deepEqual(read("0af7651916cd43dd8448eb211c80319c:b7ad6b7169203331:0:1"), ["0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", 1, true]);
  assert.deepEqual(read("ABC%3adef%3A0%3a3"), ["00000000000000000000000000000abc", "0000000000000def", 1, true]);
  assert.deepEqual(read("abc:def:123:0"), ["00000000000000000000000000000abc", "0000000000000def", 0, true]);
});

test("what is no such header is taken as none", () => {
  for (const header of ["", "abc", "a:b:c", "0:0:0:1", "abc:0:0:1", "x:def:0:1", `${"a".repeat(33)}:def:0:1`, "abc:def:0:100", "abc:def:0:1:2", "%:%"]) assert.equal(read(header), undefined, header);
});

test("it is written as it is read; no span, nothing is written", () => {
  const carrier: Record<string, string> = {};
  jaegerPropagator.inject(ROOT_CONTEXT, carrier, defaultTextMapSetter);
  assert.deepEqual(carrier, {});
  const spanContext = { traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b7ad6b7169203331", traceFlags: 1 };
  jaegerPropagator.inject(trace.setSpanContext(ROOT_CONTEXT, spanContext), carrier, defaultTextMapSetter);
  assert.deepEqual(carrier, { "uber-trace-id": "0af7651916cd43dd8448eb211c80319c:b7ad6b7169203331:0:1" });
  assert.deepEqual(jaegerPropagator.fields(), ["uber-trace-id"]);
});
