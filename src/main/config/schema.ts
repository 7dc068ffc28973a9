/** Schema of the whole configuration file (spec: config). */
import { z } from "zod";
import { workersFor } from "../../domain/worker-count.ts";
import { bytesWithDefault, choice, duration, durationWithDefault, entries, flag, listenAddress, notAbove, numberWithDefault, optionalCheckedText, optionalListenAddress, optionalNumber, optionalText, section, whenMissing } from "./fields.ts";
import type { Field } from "./fields.ts";
import { isGrpcTarget } from "./grpc-target.ts";
import { listenerRules } from "./listeners.ts";
import { manager, tls } from "./schema-manager.ts";
import { storage } from "./schema-storage.ts";
import { logFormats, logLevels } from "./types.ts";
import type { Config, RateLimit, RpcServerConfig, WsmandConfig } from "./types.ts";

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
  "METHOD",
  section({
    block: flag().describe("Wait for a token instead of refusing."),
    bucketSize: numberWithDefault(1, count).describe("Tokens at most."),
    refillInterval: duration().describe("A token comes back in this time."),
    keyCacheSize: numberWithDefault(1000, { min: 1, max: 1_000_000 }).describe("Buckets kept."),
    key: whenMissing(optionalText(), "one bucket for all").describe("Request field with a bucket per value: `id`, `metadata.owner`."),
  }).describe("Limits of full methods, `/wsman.WorkspaceManager/StartWorkspace`, of any service that is served; of Subscribe they limit the subscribing."),
).transform((limits) => Object.entries(limits).map(([method, limit]) => ({ method, ...limit })));

/** Certificates of a server whose clients need some, too. */
const serverTls = () => tls({ ca: "PEM: authorities that clients' certificates must come from.", crt: "PEM: the server's certificate, and its intermediates.", key: "PEM: its key." });

const rpcServer: Field<RpcServerConfig> = section({
  addr: listenAddress().describe("Where gRPC is served: `:8080`, `127.0.0.1:8080`."),
  tls: serverTls(),
  ratelimits: rateLimits,
}).describe("The gRPC server. TLS needs all three files or none; then every client needs a certificate.").transform(({ addr, tls, ratelimits }) => ({ addr, tls, rateLimits: ratelimits }));

const leaderElection = section(
  {
    enabled: flag(true).describe("One of several replicas acts, all answer; `false`: this one always acts, so there must be no other."),
    leaseDuration: durationWithDefault(15_000).describe("Others take over when the leader was silent for so long; whole seconds, others are rounded up."),
    renewDeadline: durationWithDefault(10_000).describe("The leader stops acting when it could not renew for so long; not above `leaseDuration`. Answers of the API server may take 0.6 of it where `leaseDuration` is half as long again, as shipped; less than half of it where they are the same."),
    retryPeriod: durationWithDefault(2000).describe("How often it is looked at and renewed at least, a request each; not above `renewDeadline`. An orderly hand-over takes as long at most."),
  },
  [notAbove("renewDeadline", "leaseDuration"), notAbove("retryPeriod", "renewDeadline")],
);

const tracing = section({
  endpoint: whenMissing(optionalCheckedText((url) => (/^https?:\/\//.test(url) && URL.canParse(url) ? undefined : "must be a URL that begins with http:// or https://"), "URL"), "`OTEL_EXPORTER_OTLP_ENDPOINT`")
    .describe("Base URL of an OpenTelemetry collector (OTLP over HTTP, `http://collector:4318`). Without it, and without the variable, tracing is off and costs nothing."),
  sampleRatio: whenMissing(optionalNumber({ min: 0, max: 1, whole: false }), "`OTEL_TRACES_SAMPLER`, else 1")
    .describe("Share of the traces begun here that are recorded; a trace begun by a client is recorded if the client's is."),
});

function wsmand({ cores }: SchemaDefaults): Field<WsmandConfig> {
  return section({
    workers: whenMissing(numberWithDefault(workersFor(cores), { min: 1, max: 256 }), "cores - 1, at least 1 and at most 4").describe("Threads that derive statuses. A container sees all processors of its machine: where it may use less, say how many."),
    statusCache: section({
      maxEntries: numberWithDefault(50_000, count).describe("Bound of the cache of statuses; what does not fit is made again when it is asked for."),
      maxBytes: bytesWithDefault(128 * mebibyte, mebibyte).describe("The same, in bytes."),
    }),
    subscriptions: section({
      stallTimeout: durationWithDefault(5 * minute).describe("A subscriber whose stream was full for so long (it took less than 64 KiB, while more waited) is ended."),
      maxBacklog: numberWithDefault(1_000_000, count).describe("Statuses that may wait for all subscribers together; above, the one with the most is ended."),
    }),
    activity: section({ persistInterval: durationWithDefault(5 * minute).describe("How often a workspace's last activity is written to its pod at most, but for when it is about to time out by what is written.") }),
    lifecycle: section({ enabled: flag(true).describe("Act on workspaces: initialize contents, wait until they are ready, time them out, back them up, end them. `false` beside another manager that does (the Go daemon).") }),
    leaderElection,
    events: section({ enabled: flag(true).describe("Write Kubernetes Events on workspace pods, which `kubectl describe pod` shows; bounded, and left out where there is no time for them.") }),
    kubernetes: section({
      qps: numberWithDefault(100, { min: 0.1, max: 1_000_000, whole: false }).describe("Requests per second to the API server."),
      burst: numberWithDefault(200, count).describe("Requests at once after a pause."),
    }),
    pods: section({ seccompField: flag().describe("Set `manager.seccompProfile` in the security context of new pods, beside the annotation that Kubernetes 1.27 and later ignore.") }),
    profiling: section({
      tls: serverTls(),
      heapSnapshots: flag().describe("Give whole heaps too: they stop the daemon for seconds, and hold all that is in memory, secrets included."),
    }).describe("Who may take profiles at `pprof.addr`. Without TLS that address must be on this machine (loopback)."),
    drainTimeout: durationWithDefault(30_000).describe("How long the end may take in all: open calls, slow subscribers, the hand-over of the lead, last writes; what has not ended then is cut off. The hand-over has a quarter of it, five seconds at most: with much less than the default, another replica may have to wait until the Lease has run out."),
    log: section({
      level: choice(logLevels, "info").describe("What is logged."),
      format: choice(logFormats, "json").describe("`json`: an object per line; `text`: for people. Both go to the standard error."),
    }),
    tracing,
  }).describe("What the Go daemon does not know; all of it optional.");
}

/** The schema. Its output is the configuration, not yet frozen. */
export function configSchema(defaults: SchemaDefaults): Field<Config> {
  return section({
    manager,
    content: section({ storage: storage(defaults.kubeStage) }),
    rpcServer,
    imageBuilderProxy: section({
      targetAddr: optionalCheckedText((target) => (isGrpcTarget(target) ? undefined : 'must be HOST:PORT, or a gRPC target such as "dns:///image-builder:8080"'), "gRPC target")
        .describe("`host:port` (or `dns:///host:port`, `unix:/path`) of an image builder without TLS: calls of `builder.ImageBuilder` are passed on to it; without it they are not served."),
    }).describe("The image builder that calls are passed on to."),
    pprof: section({ addr: optionalListenAddress().describe("Where profiles are served: a loopback address (`127.0.0.1:6060`), or any with `wsmand.profiling.tls`. One that others reach, without that, is warned of, and nothing listens there.") }).describe("Profiles on demand."),
    prometheus: section({ addr: optionalListenAddress().describe("Where `/metrics`, `/healthz`, `/livez`, `/readyz` and a page for people are served; without it they are not.") }).describe("Metrics and health."),
    wsmand: wsmand(defaults),
  }, listenerRules);
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
