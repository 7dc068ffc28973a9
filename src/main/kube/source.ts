/** Where the access to a cluster is described: a kubeconfig, several of them, or the service account of the pod we run in. */
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";

/** A place that was found. */
export type KubeSource =
  | { readonly kind: "kubeconfig"; readonly files: readonly string[] }
  | { readonly kind: "in-cluster"; readonly directory: string; readonly host: string; readonly port: string };

/** What decides which place it is. */
export interface SourceOptions {
  /** Value of --kubeconfig: taken before all others. */
  readonly kubeconfig?: string | undefined;
  /** Environment: KUBERNETES_SERVICE_HOST, KUBERNETES_SERVICE_PORT, KUBECONFIG. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly home: string;
  /** Where pods find their service account. */
  readonly serviceAccountDirectory?: string;
}

/**
 * The file that was asked for, else the pod's service account, else KUBECONFIG (files separated as in PATH, the first to name something wins), else ~/.kube/config
 * (spec: config, last line). Throws an Error that names what was looked for if there is none.
 */
export function findKubeSource(options: SourceOptions): KubeSource {
  const { env } = options;
  if (options.kubeconfig) return { kind: "kubeconfig", files: [options.kubeconfig] };
  const directory = options.serviceAccountDirectory ?? "/var/run/secrets/kubernetes.io/serviceaccount";
  const host = env["KUBERNETES_SERVICE_HOST"];
  if (host && existsSync(join(directory, "token"))) return { kind: "in-cluster", directory, host, port: env["KUBERNETES_SERVICE_PORT"] ?? "443" };
  const files = (env["KUBECONFIG"] ?? "").split(delimiter).filter((file) => file !== "");
  if (files.length > 0) return { kind: "kubeconfig", files };
  const file = join(options.home, ".kube", "config");
  if (existsSync(file)) return { kind: "kubeconfig", files: [file] };
  throw new Error(`no access to a Kubernetes cluster: not in a pod with a service account, KUBECONFIG is not set, and there is no ${file}; give --kubeconfig FILE`);
}
