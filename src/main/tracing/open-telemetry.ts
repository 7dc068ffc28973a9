/** Tracing with OpenTelemetry: spans go to an OTLP collector in batches. Loaded only where tracing is on. */
import { AsyncLocalStorage } from "node:async_hooks";
import { defaultTextMapGetter, defaultTextMapSetter, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import type { Context, Span, Tracer } from "@opentelemetry/api";
import { CompositePropagator, setGlobalErrorHandler, W3CTraceContextPropagator } from "@opentelemetry/core";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { defaultResource, detectResources, envDetector, resourceFromAttributes } from "@opentelemetry/resources";
import { BasicTracerProvider, BatchSpanProcessor, ParentBasedSampler, TraceIdRatioBasedSampler } from "@opentelemetry/sdk-trace-base";
import type { SpanExporter } from "@opentelemetry/sdk-trace-base";
import { LRUCache } from "lru-cache";
import { atMost, type Clock } from "../../domain/clock.ts";
import { messageOf } from "../../domain/errors.ts";
import type { Log } from "../../domain/log.ts";
import { jaegerPropagator, uberTraceId } from "./jaeger.ts";
import type { ApiRequest, CalledSpan, MethodName, ReadHeader, ServedSpan, Tracing, WriteHeader } from "./tracing.ts";

/** How spans are made and where they go. What is undefined comes from the standard OTEL_* variables. */
export interface OpenTelemetryOptions {
  /** Base URL of an OTLP/HTTP collector: "http://collector:4318". */
  readonly endpoint: string | undefined;
  /** Share of the traces begun here that are recorded, 0 to 1. Those begun elsewhere are recorded if they were there. */
  readonly sampleRatio: number | undefined;
  readonly version: string;
  readonly clock: Clock;
  readonly log: Log;
  /** In the place of an OTLP exporter. */
  readonly exporter?: SpanExporter | undefined;
}

/** Workspaces of which the last call is remembered; for the others a published status begins a trace of its own. */
const maxWorkspaces = 10_000;
/** Statuses that follow a call later than this are not told as its consequence, milliseconds. */
const consequenceMs = 10 * 60_000;
/** Collectors' troubles are told at most this often, milliseconds. */
const complainEveryMs = 60_000;
/** gRPC's OK, and codes that are the server's fault: UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE, DATA_LOSS (OpenTelemetry's semantic conventions). */
const ok = 0;
const serverFaults: ReadonlySet<number> = new Set([2, 4, 12, 13, 14, 15]);

/** Begins to trace. @throws Error if the endpoint or a variable can not be used. */
export function startTracing(options: OpenTelemetryOptions): Tracing {
  return new OpenTelemetry(options);
}

class OpenTelemetry implements Tracing {
  readonly #provider: BasicTracerProvider;
  readonly #tracer: Tracer;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #current = new AsyncLocalStorage<Context>();
  /** The last call that changed a workspace, by the workspace's ID. */
  readonly #changes: LRUCache<string, Context>;
  // The later one wins where a caller sends both.
  readonly #propagator = new CompositePropagator({ propagators: [jaegerPropagator, new W3CTraceContextPropagator()] });

  constructor({ endpoint, sampleRatio, version, clock, log, exporter = otlp(endpoint) }: OpenTelemetryOptions) {
    this.#clock = clock;
    this.#log = log;
    this.#changes = new LRUCache({ max: maxWorkspaces, ttl: consequenceMs, perf: { now: () => clock.monotonic() } });
    const named = resourceFromAttributes({ "service.name": "ws-manager", "service.version": version });
    this.#provider = new BasicTracerProvider({
      resource: defaultResource().merge(named).merge(detectResources({ detectors: [envDetector] })),
      // Its queue is bounded (OTEL_BSP_MAX_QUEUE_SIZE, 2,048): more spans than the collector takes are dropped.
      spanProcessors: [new BatchSpanProcessor(exporter)],
      ...(sampleRatio !== undefined && { sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(sampleRatio) }) }),
    });
    this.#tracer = this.#provider.getTracer("wsmand", version);
    this.#tellTroubles();
  }

  served({ service, method }: MethodName, read: ReadHeader): ServedSpan {
    const parent = this.#propagator.extract(ROOT_CONTEXT, headersFrom(read), defaultTextMapGetter);
    const span = this.#tracer.startSpan(`${service}/${method}`, { kind: SpanKind.SERVER, attributes: rpcAttributes(service, method) }, parent);
    const context = trace.setSpan(ROOT_CONTEXT, span);
    let undo = (): void => {};
    return {
      run: (work) => this.#current.run(context, work),
      changes: (id) => {
        span.setAttribute("wsman.workspace.id", id);
        undo = this.#claim(id, trace.setSpanContext(ROOT_CONTEXT, span.spanContext()));
      },
      end: (code) => {
        if (code !== ok) undo();
        end(span, code, serverFaults.has(code));
      },
    };
  }

  /** What is published of the workspace belongs to this context from now on. Gives what takes that back. */
  #claim(id: string, context: Context): () => void {
    const before = this.#changes.get(id);
    this.#changes.set(id, context);
    return () => {
      if (this.#changes.get(id) !== context) return;
      if (before) this.#changes.set(id, before);
      else this.#changes.delete(id);
    };
  }

  called({ service, method }: MethodName, write: WriteHeader): CalledSpan {
    const span = this.#tracer.startSpan(`${service}/${method}`, { kind: SpanKind.CLIENT, attributes: rpcAttributes(service, method) }, this.#current.getStore() ?? ROOT_CONTEXT);
    for (const [name, value] of Object.entries(this.#headersOf(span))) write(name, value);
    return { end: (code) => end(span, code, code !== ok) };
  }

  requested({ verb, resource, code, seconds }: ApiRequest): void {
    const parent = this.#current.getStore();
    if (!parent) return;
    const now = this.#clock.now();
    const span = this.#tracer.startSpan(`kubernetes ${verb} ${resource}`, { kind: SpanKind.CLIENT, startTime: now - seconds * 1000, attributes: { "k8s.request.verb": verb, "k8s.request.resource": resource, "k8s.response.code": code } }, parent);
    if (!(Number(code) < 500)) span.setStatus({ code: SpanStatusCode.ERROR });
    span.end(now);
  }

  published(id: string): Readonly<Record<string, string>> {
    const span = this.#tracer.startSpan("publish status", { kind: SpanKind.PRODUCER, attributes: { "wsman.workspace.id": id } }, this.#changes.get(id) ?? ROOT_CONTEXT);
    span.end();
    return this.#headersOf(span);
  }

  async close(timeoutMs: number): Promise<void> {
    await atMost(this.#clock, timeoutMs, this.#provider.shutdown().catch((error: unknown) => this.#log.warn({ error: messageOf(error) }, "the last spans could not be sent")));
  }

  #headersOf(span: Span): Record<string, string> {
    const headers: Record<string, string> = {};
    this.#propagator.inject(trace.setSpan(ROOT_CONTEXT, span), headers, defaultTextMapSetter);
    return headers;
  }

  /** The library has one place for the whole process where it tells of them. */
  #tellTroubles(): void {
    let toldAt = -Infinity;
    setGlobalErrorHandler((error) => {
      const now = this.#clock.monotonic();
      if (now - toldAt < complainEveryMs) return;
      toldAt = now;
      this.#log.warn({ error: typeof error === "string" ? error : messageOf(error) }, "spans could not be sent to the collector: they are lost");
    });
  }
}

/** The endpoint of the configuration is the collector's base, as that of OTEL_EXPORTER_OTLP_ENDPOINT is. */
function otlp(endpoint: string | undefined): SpanExporter {
  if (endpoint === undefined) return new OTLPTraceExporter();
  const base = endpoint.replace(/\/+$/, "");
  return new OTLPTraceExporter({ url: base.endsWith("/v1/traces") ? base : `${base}/v1/traces` });
}

/** Only those that tell of traces: nothing else a client sends is looked at. */
function headersFrom(read: ReadHeader): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const name of ["traceparent", "tracestate", uberTraceId]) {
    const value = read(name);
    if (value !== undefined) headers[name] = value;
  }
  return headers;
}

function rpcAttributes(service: string, method: string): Record<string, string> {
  return { "rpc.system": "grpc", "rpc.service": service, "rpc.method": method };
}

function end(span: Span, code: number, failed: boolean): void {
  span.setAttribute("rpc.grpc.status_code", code);
  if (failed) span.setStatus({ code: SpanStatusCode.ERROR });
  span.end();
}
