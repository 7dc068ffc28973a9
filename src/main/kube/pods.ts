/** Reads single pods. */
import { KubeError, toKubeError } from "./errors.ts";
import type { KubeClient } from "./client.ts";

/**
 * A function that gets a pod's JSON by name: the bytes as the API server sent them, undefined if there is no such pod.
 * Rejects with a KubeError for every other failure.
 */
export function podFetcher(client: Pick<KubeClient, "getRaw">, namespace: string): (name: string, signal: AbortSignal) => Promise<Uint8Array | undefined> {
  const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/`;
  return async (name, signal) => {
    // A dot segment would be another path.
    if (name === "" || name === "." || name === "..") return undefined;
    try {
      return await client.getRaw(path + encodeURIComponent(name), { signal });
    } catch (error) {
      if (error instanceof KubeError && error.status === 404) return undefined;
      throw toKubeError(error);
    }
  };
}
