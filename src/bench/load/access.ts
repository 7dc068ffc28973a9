/** Access to the cluster for the processes of a measurement: credentials as the daemon itself reads them, plugins and rotation included. */
import { systemClock } from "../../domain/clock.ts";
import { silentLog } from "../../domain/log.ts";
import { Credentials } from "../../main/kube/credentials.ts";
import type { Access, AccessSource } from "../../main/kube/credentials.ts";
import { findKubeSource } from "../../main/kube/source.ts";

/** Opens the cluster that a kubeconfig names. @throws Error if it can not be read. */
export async function openAccess(kubeconfig: string): Promise<{ readonly source: AccessSource; readonly first: Access }> {
  const source = new Credentials(findKubeSource({ kubeconfig, env: {}, home: "" }), systemClock, silentLog);
  return { source, first: await source.current() };
}

/** Options for a TLS connection, as undici and node:https take them. */
export function connectOptions({ tls }: Access): Access["tls"] {
  return { ...tls };
}

/** Absolute path on the server: kubeconfigs may put one before every request's. */
export function pathOn({ basePath }: Access, path: string): string {
  return `${basePath}${path}`;
}
