/** The large parts that commands start, as types: the entry brings the real ones, loaded only when their command runs. */
import type { Log } from "../../domain/log.ts";
import type { Config } from "../config/index.ts";

/** What the daemon starts with. */
export interface DaemonOptions {
  readonly config: Config;
  /** The cluster; undefined: the one that env names. */
  readonly kubeconfig: string | undefined;
  /** Environment that names the cluster. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly log: Log;
}

/** The running daemon. */
export interface Daemon {
  readonly rpcPort: number;
  /** Undefined: metrics and health are not served. */
  readonly metricsPort: number | undefined;
  /** Resolves once the first complete list was applied. */
  readonly synced: Promise<void>;
  /** Ends it in order, within its drain time. Idempotent. */
  close(): Promise<void>;
}

/** Starts the daemon; rejects if it can not. */
export type StartDaemon = (options: DaemonOptions) => Promise<Daemon>;

/** What the built-in cluster starts with. */
export interface EmbeddedClusterOptions {
  /** Of its API server, on 127.0.0.1; 0 or missing: any. */
  readonly port?: number;
  /** That of the workspaces; default `default`. */
  readonly namespace?: string;
  readonly nodes?: number;
  /** How much faster than life. */
  readonly speed?: number;
  /** How many workspaces come and go in it. */
  readonly demo?: number;
  /** Where its kubeconfig is written; missing: a temporary file that goes when the cluster ends. */
  readonly kubeconfigPath?: string;
}

/** The running cluster. */
export interface EmbeddedCluster {
  /** Of its API server. */
  readonly url: string;
  readonly kubeconfigPath: string;
  close(): Promise<void>;
}

/** Starts the built-in cluster; rejects if it can not. */
export type StartEmbeddedCluster = (options: EmbeddedClusterOptions) => Promise<EmbeddedCluster>;

/** Loads the parts. */
export interface Parts {
  daemon(): Promise<StartDaemon>;
  embeddedCluster(): Promise<StartEmbeddedCluster>;
}
