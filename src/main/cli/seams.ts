/** The large parts that commands start, as types: the entry brings the real ones, loaded only when their command runs. */
import type { RunOptions } from "../app.ts";
import type { Daemon } from "../daemon.ts";

/** Starts the daemon; rejects if it can not. */
export type StartDaemon = (options: RunOptions) => Promise<Daemon>;

/** What the built-in cluster starts with. */
export interface EmbeddedClusterOptions {
  /** Of its API server, on 127.0.0.1; 0 or missing: any. */
  readonly port?: number;
  /** That of the workspaces; default `default`. */
  readonly namespace?: string;
  readonly nodes?: number;
  /** How much faster than life. */
  readonly speed?: number;
  /** How many workspaces come and go in it that it brings up and ends itself; a daemon beside it must not act on workspaces. */
  readonly demo?: number;
  /** Whether its node daemons take some seconds for what they do, and fail now and then, as in life; default no. */
  readonly slowNodeDaemons?: boolean;
  /** Where its kubeconfig is written; missing: a temporary file that goes when the cluster ends. */
  readonly kubeconfigPath?: string;
  /** Whether its nodes have node daemons; default yes. */
  readonly nodeDaemons?: boolean;
  /** Port of all node daemons; 0 or missing: any. */
  readonly wsdaemonPort?: number;
  /** PEM files of the node daemons; missing: no TLS. */
  readonly wsdaemonTls?: { readonly ca: string; readonly crt: string; readonly key: string };
  /** A scheduler that pods may ask for, beside default-scheduler. */
  readonly schedulerName?: string;
  /** Makes the configuration of the daemon that runs on it, which is written to a temporary file for other commands and goes when the cluster ends; missing: none is. */
  readonly configFor?: (wsdaemonPort: number | undefined) => object;
}

/** The running cluster. */
export interface EmbeddedCluster {
  /** Of its API server. */
  readonly url: string;
  readonly kubeconfigPath: string;
  /** Port of the node daemons, if there are any. */
  readonly nodeDaemonPort?: number | undefined;
  /** Where the configuration is that `configFor` made. */
  readonly configPath?: string | undefined;
  /** Has a fault (docs/built-in-cluster.md) strike the pod of a workspace, if there is one. */
  strike(id: string, fault: string): void;
  close(): Promise<void>;
}

/** Starts the built-in cluster; rejects if it can not. */
export type StartEmbeddedCluster = (options: EmbeddedClusterOptions) => Promise<EmbeddedCluster>;

/** Loads the parts. */
export interface Parts {
  daemon(): Promise<StartDaemon>;
  embeddedCluster(): Promise<StartEmbeddedCluster>;
}
