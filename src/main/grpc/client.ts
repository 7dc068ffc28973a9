/** What clients of other gRPC servers have in common: how they connect, and the metrics and spans of their calls (spec: metrics, grpc_client_*). */
import { InterceptingCall } from "@grpc/grpc-js";
import type { ClientOptions, Interceptor } from "@grpc/grpc-js";
import type { Clock } from "../../domain/clock.ts";
import type { CallMetrics } from "../../metrics/rpc.ts";
import type { Tracing } from "../tracing/tracing.ts";
import { maxMessageBytes } from "./limits.ts";

/** Who looks at a client's calls. */
export interface ClientObservers {
  readonly metrics: CallMetrics;
  readonly tracing?: Tracing | undefined;
  readonly clock: Clock;
}

/**
 * A connection is tried again soon and for ever, and found dead by pings; nothing is shared with other clients. A name is looked up again
 * when its servers can not be reached. Calls are not repeated: their callers know whether they may be.
 */
export const connectionOptions: ClientOptions = {
  "grpc.use_local_subchannel_pool": 1, "grpc.keepalive_time_ms": 30_000, "grpc.keepalive_timeout_ms": 10_000, "grpc.enable_retries": 0,
  "grpc.initial_reconnect_backoff_ms": 200, "grpc.max_reconnect_backoff_ms": 5_000, "grpc.dns_min_time_between_resolutions_ms": 5_000,
  "grpc.max_receive_message_length": maxMessageBytes, "grpc.max_send_message_length": maxMessageBytes, "grpc.enable_channelz": 0,
};

/** An interceptor that counts every call of a client, and traces it if tracing is on. Only our own methods come here: their number is bounded. */
export function observeCalls({ metrics, tracing, clock }: ClientObservers): Interceptor {
  return (options, nextCall) => {
    const { path, responseStream } = options.method_definition;
    const [, service = "", method = ""] = path.split("/");
    const recorder = metrics.method(responseStream ? "server_stream" : "unary", service, method);
    const startedAt = clock.monotonic();
    recorder.started.add();
    return new InterceptingCall(nextCall(options), {
      start(metadata, _listener, next) {
        const span = tracing?.called({ service, method }, (name, value) => metadata.set(name, value));
        next(metadata, {
          onReceiveMessage(message: unknown, deliver) {
            recorder.received.add();
            deliver(message);
          },
          onReceiveStatus(status, deliver) {
            recorder.handled(status.code, (clock.monotonic() - startedAt) / 1000);
            span?.end(status.code);
            deliver(status);
          },
        });
      },
      sendMessage(message: unknown, next) {
        recorder.sent.add();
        next(message);
      },
    });
  };
}
