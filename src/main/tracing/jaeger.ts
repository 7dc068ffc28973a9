/** The header `uber-trace-id` of Jaeger's clients, which existing consumers read and write. OpenTelemetry's own propagator for it is deprecated. */
import { isSpanContextValid, trace } from "@opentelemetry/api";
import type { Context, TextMapGetter, TextMapPropagator, TextMapSetter } from "@opentelemetry/api";

/** Name of the header: "{trace-id}:{span-id}:{parent-span-id}:{flags}", all of them hexadecimal. */
export const uberTraceId = "uber-trace-id";

const sampled = 1;
const format = /^([0-9a-f]{1,32}):([0-9a-f]{1,16}):[0-9a-f]{0,16}:([0-9a-f]{1,2})$/i;

/** Reads and writes the header; what does not have its form is taken as not being there. */
export const jaegerPropagator: TextMapPropagator = {
  inject(context: Context, carrier: unknown, setter: TextMapSetter): void {
    const span = trace.getSpanContext(context);
    // The parent's ID is not used any more, and always 0.
    if (span && isSpanContextValid(span)) setter.set(carrier, uberTraceId, `${span.traceId}:${span.spanId}:0:${span.traceFlags & sampled}`);
  },
  extract(context: Context, carrier: unknown, getter: TextMapGetter): Context {
    const header = getter.get(carrier, uberTraceId);
    const found = typeof header === "string" ? parse(header) : undefined;
    return found ? trace.setSpanContext(context, found) : context;
  },
  fields: () => [uberTraceId],
};

function parse(header: string): { traceId: string; spanId: string; traceFlags: number; isRemote: true } | undefined {
  // Go's clients escape the colons in HTTP headers.
  const [, traceId, spanId, flags] = format.exec(header.replaceAll(/%3a/gi, ":")) ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined;
  const span = { traceId: traceId.toLowerCase().padStart(32, "0"), spanId: spanId.toLowerCase().padStart(16, "0"), traceFlags: Number.parseInt(flags, 16) & sampled, isRemote: true as const };
  return isSpanContextValid(span) ? span : undefined;
}
