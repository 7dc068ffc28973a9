/** Schema of the whole configuration file (spec: config). */
import { z } from "zod";
import { bytesWithDefault, choice, duration, durationWithDefault, entries, flag, listenAddress, notAbove, numberWithDefault, optionalCheckedText, optionalListenAddress, optionalNumber, optionalText, section } from "./fields.ts";
import type { Field } from "./fields.ts";
import { isGrpcTarget } from "./grpc-target.ts";
import { manager, tls } from "./schema-manager.ts";
import { storage } from "./schema-storage.ts";
import { logFormats, logLevels } from "./types.ts";
import type { Config, RateLimit, WsmandConfig } from "./types.ts";

/** What the defaults depend on. */
export interface SchemaDefaults {
  /** Processors that may be used. */
  readonly cores: number;
  /** KUBE_STAGE. */
  readonly kubeStage: string | undefined;
}

const minute = 60_000;
const mebibyte = 1024 * 1024;
const count = { min: 1, max: 1_000_000_000 } as const;

const rateLimits: Field<readonly RateLimit[]> = entries(
  section({
    block: flag(),
    bucketSize: numberWithDefault(1, count),
    refillInterval: duration(),
    keyCacheSize: numberWithDefault(1000, { min: 1, max: 1_000_000 }),
    key: optionalText(),
  }),
).transform((limits) => Object.entries(limits).map(([method, limit]) => ({ method, ...limit })));

function wsmand({ cores }: SchemaDefaults): Field<WsmandConfig> {
  return section({
    workers: numberWithDefault(Math.max(1, cores - 1), { min: 1, max: 256 }),
    statusCache: section({ maxEntries: numberWithDefault(50_000, count), maxBytes: bytesWithDefault(128 * mebibyte, mebibyte) }),
    subscriptions: section({ stallTimeout: durationWithDefault(5 * minute), maxBacklog: numberWithDefault(1_000_000, count) }),
    activity: section({ persistInterval: durationWithDefault(5 * minute) }),
    lifecycle: section({ enabled: flag(true) }),
    leaderElection: section(
      { enabled: flag(true), leaseDuration: durationWithDefault(15_000), renewDeadline: durationWithDefault(10_000), retryPeriod: durationWithDefault(2000) },
      [notAbove("renewDeadline", "leaseDuration"), notAbove("retryPeriod", "renewDeadline")],
    ),
    events: section({ enabled: flag(true) }),
    kubernetes: section({ qps: numberWithDefault(100, { min: 0.1, max: 1_000_000, whole: false }), burst: numberWithDefault(200, count) }),
    pods: section({ seccompField: flag() }),
    profiling: section({ tls: tls(), heapSnapshots: flag() }),
    drainTimeout: durationWithDefault(30_000),
    log: section({ level: choice(logLevels, "info"), format: choice(logFormats, "json") }),
    tracing: section({
      endpoint: optionalCheckedText((url) => (/^https?:\/\//.test(url) && URL.canParse(url) ? undefined : "must be a URL that begins with http:// or https://")),
      sampleRatio: optionalNumber({ min: 0, max: 1, whole: false }),
    }),
  });
}

/** The schema. Its output is the configuration, not yet frozen. */
export function configSchema(defaults: SchemaDefaults): Field<Config> {
  return section({
    manager,
    content: section({ storage: storage(defaults.kubeStage) }),
    rpcServer: section({ addr: listenAddress(), tls: tls(), ratelimits: rateLimits }).transform(({ addr, tls, ratelimits }) => ({ addr, tls, rateLimits: ratelimits })),
    imageBuilderProxy: section({ targetAddr: optionalCheckedText((target) => (isGrpcTarget(target) ? undefined : 'must be HOST:PORT, or a gRPC target such as "dns:///image-builder:8080"')) }),
    pprof: section({ addr: optionalListenAddress() }),
    prometheus: section({ addr: optionalListenAddress() }),
    wsmand: wsmand(defaults),
  });
}

/** A problem's kind that only warns: members that the schema does not know. */
export interface UnknownMembers {
  readonly path: readonly PropertyKey[];
  readonly keys: readonly string[];
}

/** The members that the issues are about. */
export function unknownMembers(issues: readonly z.core.$ZodIssue[]): readonly UnknownMembers[] {
  return issues.flatMap((issue) => (issue.code === "unrecognized_keys" ? [{ path: issue.path, keys: issue.keys }] : []));
}
