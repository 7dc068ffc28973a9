/** Verb and resource of a request, for metrics. */

const verbs: ReadonlyMap<string, string> = new Map([["GET", "get"], ["POST", "create"], ["PUT", "update"], ["PATCH", "patch"], ["DELETE", "delete"]]);

/** As Kubernetes' audit log names them: no names of objects, so that there are few different ones. Paths outside the API groups have resource "". */
export function describeRequest(method: string, path: string, watch: boolean): { readonly verb: string; readonly resource: string } {
  const [resource = "", name, subresource] = resourceParts(path.split("/").filter((part) => part !== ""));
  const whole = subresource === undefined ? resource : `${resource}/${subresource}`;
  if (method === "GET" && name === undefined) return { verb: watch ? "watch" : "list", resource: whole };
  return { verb: verbs.get(method) ?? "other", resource: whole };
}

/** What stands behind the API group and the namespace; the namespaces resource itself has no more than a name behind it. */
function resourceParts(path: readonly string[]): readonly string[] {
  if (path[0] !== "api" && path[0] !== "apis") return [];
  const parts = path.slice(path[0] === "api" ? 2 : 3);
  return parts[0] === "namespaces" && parts.length > 2 ? parts.slice(2) : parts;
}
