/** An OpenTelemetry collector for tests: takes spans over OTLP/HTTP, and remembers them. */
import { createServer, type Server } from "node:http";
import { isIPv4 } from "node:net";
import protobuf from "protobufjs";
import { record, records, text } from "../../src/embedded/kubelet/json.ts";
import { assertNoSecrets } from "./secrets.ts";

/** A span, with IDs in hexadecimal. */
export interface CollectedSpan {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  /** Empty: it begins a trace. */
  readonly parentSpanId: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly failed: boolean;
}

// The part of OTLP that is read here.
const schema = `
  syntax = "proto3"; package otlp;
  message ExportTraceServiceRequest { repeated ResourceSpans resource_spans = 1; }
  message ResourceSpans { Resource resource = 1; repeated ScopeSpans scope_spans = 2; }
  message Resource { repeated KeyValue attributes = 1; }
  message ScopeSpans { repeated Span spans = 2; }
  message Span { bytes trace_id = 1; bytes span_id = 2; bytes parent_span_id = 4; string name = 5; repeated KeyValue attributes = 9; Status status = 15; }
  message Status { int32 code = 3; }
  message KeyValue { string key = 1; AnyValue value = 2; }
  message AnyValue { oneof value { string string_value = 1; int64 int_value = 3; double double_value = 4; } }
`;
const requestType = protobuf.parse(schema).root.lookupType("otlp.ExportTraceServiceRequest");

/** Collects spans on 127.0.0.1. */
export class TestCollector {
  readonly spans: CollectedSpan[] = [];
  /** Attributes of who sent them last. */
  resource: Readonly<Record<string, string>> = {};
  /** All that came, as bytes. */
  readonly bodies: Buffer[] = [];
  /** What it answers. */
  status = 200;
  readonly #server: Server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on("data", (part: Buffer) => parts.push(part));
    request.on("end", () => {
      this.#take(Buffer.concat(parts));
      response.writeHead(this.status, { "content-type": "application/x-protobuf" }).end();
    });
  });

  /** Base URL, once it listens. */
  get url(): string {
    const address = this.#server.address();
    if (address === null || typeof address === "string" || !isIPv4(address.address)) throw new Error("not listening");
    return `http://${address.address}:${address.port}`;
  }

  async start(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return this;
  }

  /** Rejects if what came shows a secret. Idempotent. */
  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
    assertNoSecrets("what came to the collector", this.bodies.map((body) => body.toString("latin1")));
  }

  /** Spans of this name. */
  named(name: string): CollectedSpan[] {
    return this.spans.filter((span) => span.name === name);
  }

  #take(body: Buffer): void {
    this.bodies.push(body);
    const request = record(requestType.toObject(requestType.decode(body), { longs: String, bytes: String, defaults: true }));
    for (const resourceSpans of records(request["resourceSpans"])) {
      this.resource = attributesOf(record(resourceSpans["resource"]));
      for (const scopeSpans of records(resourceSpans["scopeSpans"])) {
        for (const span of records(scopeSpans["spans"])) {
          this.spans.push({ name: text(span["name"]), traceId: hex(span["traceId"]), spanId: hex(span["spanId"]), parentSpanId: hex(span["parentSpanId"]), attributes: attributesOf(span), failed: record(span["status"])["code"] === 2 });
        }
      }
    }
  }
}

function hex(base64: unknown): string {
  return Buffer.from(text(base64), "base64").toString("hex");
}

function attributesOf(holder: Readonly<Record<string, unknown>>): Record<string, string> {
  return Object.fromEntries(records(holder["attributes"]).map((attribute) => {
    const [value] = Object.values(record(attribute["value"]));
    return [text(attribute["key"]), typeof value === "number" ? String(value) : text(value)];
  }));
}
