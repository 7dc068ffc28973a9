/** The configuration as the daemon works with it: complete, validated, frozen. Durations are milliseconds, paths stand as they were given. */
import type { Timeouts } from "../../domain/timeouts.ts";
import type { Secret } from "./secret.ts";

/** The whole configuration (spec: config). A member that is missing was not configured. */
export interface Config {
  readonly manager: ManagerConfig;
  readonly content: { readonly storage: StorageConfig };
  readonly rpcServer: RpcServerConfig;
  /** Address that image builder calls are passed on to. */
  readonly imageBuilderProxy: { readonly targetAddr?: string | undefined };
  /** Where profiles are served. */
  readonly pprof: { readonly addr?: string | undefined };
  /** Where /metrics and the health endpoints are served. */
  readonly prometheus: { readonly addr?: string | undefined };
  readonly wsmand: WsmandConfig;
}

/** PEM files for mutual TLS. */
export interface TlsConfig {
  readonly ca: string;
  readonly crt: string;
  readonly key: string;
}

/** Section `manager`. */
export interface ManagerConfig {
  readonly namespace: string;
  readonly schedulerName?: string | undefined;
  readonly seccompProfile?: string | undefined;
  readonly timeouts: Timeouts;
  readonly initProbe: { readonly disabled: boolean; readonly timeout: number };
  readonly caCertSecret?: string | undefined;
  /** Rendered by renderUrl in url-template.ts. */
  readonly urlTemplate: string;
  readonly portUrlTemplate?: string | undefined;
  readonly workspaceHostPath: string;
  readonly hostURL: string;
  readonly heartbeatInterval: number;
  readonly reconnectionInterval: number;
  /** File, or "-" for the log. */
  readonly eventTraceLog?: string | undefined;
  readonly dryRun: boolean;
  readonly debugWorkspacePod: boolean;
  readonly wsdaemon: { readonly port: number; readonly tls?: TlsConfig | undefined };
  readonly registryFacadeHost?: string | undefined;
  readonly workspaceClusterHost?: string | undefined;
  /** Sorted by ID; one of them is `default`. */
  readonly workspaceClasses: readonly WorkspaceClass[];
}

/** Quantities, in Kubernetes' own notation. */
export interface ResourceQuantities {
  readonly cpu?: string | undefined;
  readonly memory?: string | undefined;
  readonly "ephemeral-storage"?: string | undefined;
  readonly storage?: string | undefined;
}

/** A class of workspaces. */
export interface WorkspaceClass {
  readonly id: string;
  /** For people. */
  readonly name?: string | undefined;
  readonly container: { readonly requests: ResourceQuantities; readonly limits: ResourceQuantities };
  /** Files that parsed as a Pod when the configuration was read. */
  readonly templates: {
    readonly defaultPath?: string | undefined;
    readonly regularPath?: string | undefined;
    readonly prebuildPath?: string | undefined;
    readonly probePath?: string | undefined;
    readonly imagebuildPath?: string | undefined;
  };
  readonly pvc: { readonly size?: string | undefined; readonly storageClass?: string | undefined; readonly snapshotClass?: string | undefined };
}

/** A rate limit of one method. */
export interface RateLimit {
  /** Full method, "/wsman.WorkspaceManager/MarkActive". */
  readonly method: string;
  /** Wait for a token instead of refusing the call. */
  readonly block: boolean;
  readonly bucketSize: number;
  readonly refillInterval: number;
  readonly keyCacheSize: number;
  /** Path of the request's field with a bucket per value; missing: one bucket for all. */
  readonly key?: string | undefined;
}

/** Section `rpcServer`. */
export interface RpcServerConfig {
  /** Like ":8080". */
  readonly addr: string;
  readonly tls?: TlsConfig | undefined;
  readonly rateLimits: readonly RateLimit[];
}

/** Section `content.storage`: where backups live. */
export interface StorageConfig {
  readonly kind: "gcloud" | "minio" | "";
  readonly stage: "prod" | "prodcopy" | "dev";
  readonly gcloud: {
    readonly region?: string | undefined;
    readonly projectId?: string | undefined;
    readonly credentialsFile?: string | undefined;
    readonly maximumBackupCount?: number | undefined;
  };
  readonly minio: {
    readonly endpoint?: string | undefined;
    readonly accessKey?: Secret | undefined;
    readonly secretKey?: Secret | undefined;
    readonly accessKeyFile?: string | undefined;
    readonly secretKeyFile?: string | undefined;
    readonly secure: boolean;
    readonly region?: string | undefined;
    readonly parallelUpload?: number | undefined;
    readonly bucket?: string | undefined;
  };
  readonly backupTrail: { readonly enabled: boolean; readonly maxLength?: number | undefined };
  /** Bytes. */
  readonly blobQuota?: number | undefined;
}

/** Levels of the log, from the most to the fewest lines. */
export const logLevels = ["debug", "info", "warn", "error"] as const;
/** One of {@link logLevels}. */
export type LogLevel = (typeof logLevels)[number];
/** One JSON object per line, or lines for people. */
export const logFormats = ["json", "text"] as const;
/** One of {@link logFormats}. */
export type LogFormat = (typeof logFormats)[number];

/** Section `wsmand`: what is ours alone. */
export interface WsmandConfig {
  /** Worker threads. */
  readonly workers: number;
  readonly statusCache: { readonly maxEntries: number; readonly maxBytes: number };
  readonly subscriptions: {
    readonly stallTimeout: number;
    /** Statuses that may wait for all subscribers together. */
    readonly maxBacklog: number;
  };
  readonly activity: { readonly persistInterval: number };
  readonly lifecycle: {
    /** Act on workspaces: bring them up, time them out, back them up, take them down. Off beside another manager that does. */
    readonly enabled: boolean;
  };
  readonly leaderElection: { readonly enabled: boolean; readonly leaseDuration: number; readonly renewDeadline: number; readonly retryPeriod: number };
  readonly events: {
    /** Write Kubernetes Events on workspace pods. */
    readonly enabled: boolean;
  };
  /** Requests per second to the API server, and how many may go at once after a pause. */
  readonly kubernetes: { readonly qps: number; readonly burst: number };
  readonly pods: {
    /** Set manager.seccompProfile in the security context of new pods as well: Kubernetes 1.27 and later ignore the annotation. */
    readonly seccompField: boolean;
  };
  readonly profiling: {
    /** Undefined: profiles are served in plaintext, on a loopback address only. */
    readonly tls?: TlsConfig | undefined;
    /** Give full heap snapshots, which hold all secrets in memory. */
    readonly heapSnapshots: boolean;
  };
  readonly drainTimeout: number;
  readonly log: { readonly level: LogLevel; readonly format: LogFormat };
  /** Missing members: the standard OTEL_* variables count. */
  readonly tracing: { readonly endpoint?: string | undefined; readonly sampleRatio?: number | undefined };
}
