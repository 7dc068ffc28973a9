/** Which requests leave a cluster as it is, for processes that only look: shadows and checks. */
import type { KubeRequest } from "./client.ts";
import { KubeError } from "./errors.ts";

/** Questions about the caller's own rights: they are posted, and nothing is stored. */
const question = /^\/apis\/(?:authorization|authentication)\.k8s\.io\/v1\/selfsubject(?:access|rules)?reviews$/;

/** Whether a request leaves everything in the cluster as it is. */
export function changesNothing({ method, path }: Pick<KubeRequest, "method" | "path">): boolean {
  return method === "GET" || (method === "POST" && question.test(path));
}

/** A request that was not sent, since it would change something. */
export function notPermitted({ method, path }: Pick<KubeRequest, "method" | "path">): KubeError {
  return new KubeError(`${method} ${path} was not sent: this process only looks at the cluster`, { status: 0, reason: "ReadOnly", retryable: false });
}
