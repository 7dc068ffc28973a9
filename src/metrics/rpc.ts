/** Metrics of gRPC calls, those that came and those to others, with the names, labels and codes that Go has (spec: metrics). */
import type { Registry } from "prom-client";
import { tallyHistograms } from "./tally-histogram.ts";
import type { Tally } from "./tally.ts";
import { tallyCounters } from "./tally.ts";

/** Kinds of calls as Go's metrics name them. */
export type GrpcType = "unary" | "client_stream" | "server_stream" | "bidi_stream";

/** Recorder of one method's calls. */
export interface MethodMetrics {
  /** A call began. */
  readonly started: Tally;
  /** Messages from the other side. */
  readonly received: Tally;
  /** Messages to the other side. */
  readonly sent: Tally;
  /** A call ended with this gRPC status code, after so many seconds. */
  handled(code: number, seconds: number): void;
}

/** Metrics of calls on one side, of servers or of clients. */
export interface CallMetrics {
  /** The recorder of a method; always the same one for the same method, with its series present at zero from then on. */
  method(type: GrpcType, service: string, method: string): MethodMetrics;
}

/** Metrics of the gRPC server. */
export interface RpcMetrics extends CallMetrics {
  /** A call of a method that has a rate limit came; `limited`: it was refused or had to wait. */
  rateLimited(method: string, limited: boolean): void;
}

/** Go's names of the gRPC status codes, by number. */
export const grpcCodeNames: readonly string[] = [
  "OK", "Canceled", "Unknown", "InvalidArgument", "DeadlineExceeded", "NotFound", "AlreadyExists", "PermissionDenied", "ResourceExhausted",
  "FailedPrecondition", "Aborted", "OutOfRange", "Unimplemented", "Internal", "Unavailable", "DataLoss", "Unauthenticated",
];

const labelNames = ["grpc_type", "grpc_service", "grpc_method"] as const;
const handlingBuckets = [0.005, 0.025, 0.05, 0.1, 0.5, 1, 2.5, 5, 30, 60, 120, 240, 600];

/** Declares the grpc_server_* metrics. */
export function createRpcMetrics(registry: Registry): RpcMetrics {
  const limiter = tallyCounters(registry, "grpc_server_rate_limiter_calls_total", "Calls of methods that have a rate limit, by whether they were limited.", ["grpc_method", "rate_limited"]);
  return { ...callMetrics(registry, "grpc_server", "clients"), rateLimited: (method, limited) => limiter.of(method, String(limited)).add() };
}

/** Declares the grpc_client_* metrics. */
export function createRpcClientMetrics(registry: Registry): CallMetrics {
  return callMetrics(registry, "grpc_client", "servers");
}

function callMetrics(registry: Registry, prefix: string, others: string): CallMetrics {
  const started = tallyCounters(registry, `${prefix}_started_total`, "Calls that began.", labelNames);
  const received = tallyCounters(registry, `${prefix}_msg_received_total`, `Messages that ${others} sent.`, labelNames);
  const sent = tallyCounters(registry, `${prefix}_msg_sent_total`, `Messages sent to ${others}.`, labelNames);
  const handled = tallyCounters(registry, `${prefix}_handled_total`, "Calls that ended, by status code.", [...labelNames, "grpc_code"]);
  const handling = tallyHistograms(registry, { name: `${prefix}_handling_seconds`, help: "Time from a call's begin to its end.", labelNames, buckets: handlingBuckets });
  const methods = new Map<string, MethodMetrics>();
  return {
    method(type, service, method) {
      const key = `/${service}/${method}`;
      const known = methods.get(key);
      if (known) return known;
      const labels = [type, service, method] as const;
      const duration = handling({ grpc_type: type, grpc_service: service, grpc_method: method });
      const byCode = new Map<number, Tally>();
      const created: MethodMetrics = {
        started: started.of(...labels),
        received: received.of(...labels),
        sent: sent.of(...labels),
        handled(code, seconds) {
          let tally = byCode.get(code);
          if (!tally) byCode.set(code, (tally = handled.of(...labels, grpcCodeNames[code] ?? "Unknown")));
          tally.add();
          duration.observe(seconds);
        },
      };
      methods.set(key, created);
      return created;
    },
  };
}
