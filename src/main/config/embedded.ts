/** The configuration of `run --embedded` without a file: the built-in cluster on this machine alone. */
import { parseConfig, type LoadedConfig } from "./index.ts";
import type { TlsConfig } from "./types.ts";

/** Addresses and the format of the log, which differ from machine to machine. */
export interface EmbeddedOptions {
  readonly rpcAddr?: string | undefined;
  readonly metricsAddr?: string | undefined;
  readonly logFormat?: "json" | "text" | undefined;
  /** Act on workspaces; default true. Not beside the cluster's own demo, which brings up and ends its workspaces itself. */
  readonly lifecycle?: boolean | undefined;
  /** Act only as the one who is elected by the Lease, as in an installation; default false. */
  readonly leaderElection?: boolean | undefined;
  /** The scheduler that workspaces ask for. */
  readonly schedulerName?: string | undefined;
  /** How node daemons are reached. */
  readonly wsdaemon?: { readonly port: number; readonly tls?: TlsConfig | undefined } | undefined;
}

/** The configuration as it would stand in a file. */
export function embeddedDocument(options: EmbeddedOptions = {}): object {
  const container = { requests: { cpu: "500m", memory: "512Mi", "ephemeral-storage": "1Gi" }, limits: { cpu: "1", memory: "1Gi", "ephemeral-storage": "5Gi" } };
  return {
    manager: {
      namespace: "default",
      schedulerName: options.schedulerName,
      // Short enough to be seen, and long enough for who looks around.
      timeouts: {
        startup: "10m", initialization: "5m", regularWorkspace: "2m", maxLifetime: "8h", headlessWorkspace: "10m", afterClose: "1m", contentFinalization: "5m", stopping: "10m", interrupted: "1m",
      },
      initProbe: { disabled: true },
      urlTemplate: "https://{{ .ID }}.ws.{{ .Host }}",
      portUrlTemplate: "https://{{ .WorkspacePort }}-{{ .ID }}.ws.{{ .Host }}",
      workspaceHostPath: "/var/gitpod/workspaces",
      hostURL: "wsmand.localhost",
      heartbeatInterval: "30s",
      reconnectionInterval: "30s",
      wsdaemon: options.wsdaemon ?? { port: 8080 },
      registryFacadeHost: "localhost:31750",
      workspaceClass: { default: { name: "Default", container }, large: { name: "Large", container: { ...container, limits: { ...container.limits, cpu: "4", memory: "8Gi" } } } },
    },
    rpcServer: { addr: options.rpcAddr ?? "127.0.0.1:8080" },
    prometheus: { addr: options.metricsAddr ?? "127.0.0.1:9500" },
    wsmand: { lifecycle: { enabled: options.lifecycle }, leaderElection: { enabled: options.leaderElection ?? false }, log: { level: "info", format: options.logFormat } },
  };
}

/** Defaults of `run --embedded`: gRPC on 127.0.0.1:8080, metrics and health on 127.0.0.1:9500. Rejects with a ConfigError if an address is none. */
export function embeddedConfig(options: EmbeddedOptions = {}): Promise<LoadedConfig> {
  return parseConfig(embeddedDocument(options), "the built-in configuration");
}
