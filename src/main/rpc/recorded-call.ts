/** The grpc_server_* metrics of every call of every service, and its span where tracing is on, taken where calls enter and leave the server. */
import { ServerInterceptingCall, status } from "@grpc/grpc-js";
import type { Metadata, ServerInterceptor, ServerInterceptingCallInterface } from "@grpc/grpc-js";
import type { Clock } from "../../domain/clock.ts";
import type { GrpcType, MethodMetrics, RpcMetrics } from "../../metrics/rpc.ts";
import type { Tracing } from "../tracing/tracing.ts";
import { methodTracer } from "./traced-call.ts";
import type { CallTrace, InnerListener, MethodTracer } from "./traced-call.ts";

type InnerStatus = Parameters<ServerInterceptingCallInterface["sendStatus"]>[0];

/** What the calls of a method have in common. */
interface Recorder {
  readonly metrics: MethodMetrics;
  readonly clock: Clock;
  /** Undefined: tracing is off. */
  readonly tracer: MethodTracer | undefined;
}

/** Passes everything on and counts it. Per message that is one more method call and one addition. */
class RecordedCall extends ServerInterceptingCall {
  readonly #inner: ServerInterceptingCallInterface;
  readonly #metrics: MethodMetrics;
  readonly #clock: Clock;
  readonly #startedAt: number;
  readonly #trace: CallTrace | undefined;
  #done = false;

  constructor(inner: ServerInterceptingCallInterface, { metrics, clock, tracer }: Recorder) {
    super(inner);
    this.#inner = inner;
    this.#metrics = metrics;
    this.#clock = clock;
    this.#startedAt = clock.monotonic();
    this.#trace = tracer?.();
    metrics.started.add();
  }

  override start(given: InnerListener): void {
    const listener = this.#trace?.around(given) ?? given;
    this.#inner.start({
      onReceiveMetadata: (metadata) => listener.onReceiveMetadata(metadata),
      onReceiveMessage: (message: unknown) => {
        this.#metrics.received.add();
        listener.onReceiveMessage(message);
      },
      onReceiveHalfClose: () => listener.onReceiveHalfClose(),
      onCancel: () => {
        this.#finish(this.#pastDeadline() ? status.DEADLINE_EXCEEDED : status.CANCELLED);
        listener.onCancel();
      },
    });
  }

  override sendMetadata(metadata: Metadata): void {
    this.#inner.sendMetadata(metadata);
  }

  override sendMessage(message: unknown, callback: () => void): void {
    this.#metrics.sent.add();
    this.#inner.sendMessage(message, callback);
  }

  override sendStatus(sent: InnerStatus): void {
    this.#finish(sent.code ?? status.UNKNOWN);
    this.#inner.sendStatus(sent);
  }

  /** onCancel also comes after a status was sent: only the first end counts. */
  #finish(code: number): void {
    if (this.#done) return;
    this.#done = true;
    this.#metrics.handled(code, (this.#clock.monotonic() - this.#startedAt) / 1000);
    this.#trace?.end(code);
  }

  #pastDeadline(): boolean {
    return Number(this.#inner.getDeadline()) <= this.#clock.now();
  }
}

/** An interceptor that records every call. Only methods that are served get here, so the number of recorders is bounded. */
export function recordCalls(metrics: RpcMetrics, clock: Clock, tracing?: Tracing): ServerInterceptor {
  const recorders = new Map<string, Recorder>();
  return (method, call) => {
    let recorder = recorders.get(method.path);
    if (!recorder) {
      recorder = { metrics: methodMetrics(metrics, method), clock, tracer: tracing && methodTracer(tracing, method.path) };
      recorders.set(method.path, recorder);
    }
    return new RecordedCall(call, recorder);
  };
}

/** What of a method's definition its metrics need. */
export interface MethodShape {
  readonly path: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
}

/** The recorder of a method. */
export function methodMetrics(metrics: RpcMetrics, method: MethodShape): MethodMetrics {
  const [, service = "", name = ""] = method.path.split("/");
  return metrics.method(typeOf(method), service, name);
}

function typeOf(method: MethodShape): GrpcType {
  if (method.requestStream) return method.responseStream ? "bidi_stream" : "client_stream";
  return method.responseStream ? "server_stream" : "unary";
}
