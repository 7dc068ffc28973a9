/** Whether there is tracing, and what loads it: OpenTelemetry takes memory and time at the start, which nobody pays who has it off. */
import { systemClock } from "../../domain/clock.ts";
import type { Log } from "../../domain/log.ts";
import { version } from "../version.ts";
import type { Tracing } from "./tracing.ts";

/** Section `wsmand.tracing`. */
export interface TracingConfig {
  /** Base URL of an OTLP/HTTP collector. */
  readonly endpoint?: string | undefined;
  /** 0 to 1. */
  readonly sampleRatio?: number | undefined;
}

const spoken = "http/protobuf";

type Variables = Readonly<Record<string, string | undefined>>;

/**
 * Begins to trace if the configuration or the standard variables name a collector, and OTEL_SDK_DISABLED or OTEL_TRACES_EXPORTER=none do not forbid it.
 * @throws Error if what they say can not be used.
 */
export async function beginTracing(config: TracingConfig, variables: Variables, log: Log): Promise<Tracing | undefined> {
  if (!wanted(config, variables)) return undefined;
  const protocol = variables["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"] ?? variables["OTEL_EXPORTER_OTLP_PROTOCOL"] ?? spoken;
  if (protocol !== spoken) log.warn({ protocol }, `OTEL_EXPORTER_OTLP_PROTOCOL asks for another protocol than ${spoken}, which is the only one that is spoken: the collector must take that at the endpoint`);
  const { startTracing } = await import("./open-telemetry.ts");
  log.info({ sampleRatio: config.sampleRatio }, "tracing is on");
  return startTracing({ endpoint: config.endpoint, sampleRatio: config.sampleRatio, version: version(), clock: systemClock, log });
}

function wanted({ endpoint }: TracingConfig, variables: Variables): boolean {
  const forbidden = variables["OTEL_SDK_DISABLED"]?.toLowerCase() === "true" || variables["OTEL_TRACES_EXPORTER"] === "none";
  const collectors = [endpoint, variables["OTEL_EXPORTER_OTLP_ENDPOINT"], variables["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"]];
  return !forbidden && collectors.some((collector) => (collector ?? "") !== "");
}
