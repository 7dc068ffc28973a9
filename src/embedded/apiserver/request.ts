/** Requests as the API understands them: verb, resource, name and subresource from method and path. */
import { methodNotAllowed, noSuchResource } from "./errors.ts";
import { apiVersionOf, resourceTypes } from "./resources.ts";
import type { ResourceType } from "./resources.ts";

/** Verbs of the API. */
export type Verb = "get" | "list" | "watch" | "create" | "update" | "patch" | "delete" | "deletecollection";

/** A request for a resource. */
export interface ResourceRequest {
  readonly verb: Verb;
  readonly type: ResourceType;
  /** "" for cluster-scoped resources and lists over all namespaces. */
  readonly namespace: string;
  /** "" for collections. */
  readonly name: string;
  readonly subresource: string;
  readonly query: URLSearchParams;
}

/**
 * Reads a request below `/api/v1` or `/apis/<group>/<version>`; undefined if the path is none of these.
 * @throws ApiError 404 for an unknown resource, 405 for a method that it does not know.
 */
export function parseRequest(method: string, url: URL): ResourceRequest | undefined {
  const parts = url.pathname.split("/").filter((part) => part !== "").map(decode);
  const [root, ...rest] = parts;
  if (root === "api" && rest[0] === "v1" && rest.length > 1) return resolve(method, "v1", rest.slice(1), url.searchParams);
  if (root === "apis" && rest.length > 2 && isKnownGroup(`${rest[0]}/${rest[1]}`)) return resolve(method, `${rest[0]}/${rest[1]}`, rest.slice(2), url.searchParams);
  return undefined;
}

function isKnownGroup(apiVersion: string): boolean {
  return [...resourceTypes.values()].some((type) => apiVersionOf(type) === apiVersion);
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw noSuchResource();
  }
}

/** What a path below an API version names. */
interface Target {
  /** Undefined outside a namespace. */
  readonly namespace: string | undefined;
  readonly type: ResourceType;
  readonly name: string;
  readonly subresource: string;
}

function resolve(method: string, apiVersion: string, path: readonly string[], query: URLSearchParams): ResourceRequest {
  const target = targetOf(path);
  if (!target || !isServed(target, apiVersion)) throw noSuchResource();
  const { type, name, subresource, namespace } = target;
  const verb = verbOf(method, name, subresource, query);
  if (verb === "create" && type.namespaced && namespace === undefined) throw methodNotAllowed();
  return { verb, type, namespace: namespace ?? "", name, subresource, query };
}

function targetOf(path: readonly string[]): Target | undefined {
  const [root, namespace, plural, ...rest] = path;
  // A namespace itself has subresources, too.
  if (root === "namespaces" && plural !== undefined && resourceTypes.has(plural)) return targetIn(namespace, [plural, ...rest]);
  return targetIn(undefined, path);
}

function targetIn(namespace: string | undefined, [plural = "", name = "", subresource = "", ...more]: readonly string[]): Target | undefined {
  const type = resourceTypes.get(plural);
  return type && more.length === 0 ? { namespace, type, name, subresource } : undefined;
}

function isServed({ namespace, type, name, subresource }: Target, apiVersion: string): boolean {
  if (apiVersionOf(type) !== apiVersion || !hasSubresource(type, subresource)) return false;
  // Lists and watches alone reach over all namespaces.
  return (namespace !== undefined) === type.namespaced || (type.namespaced && name === "");
}

function hasSubresource(type: ResourceType, subresource: string): boolean {
  return subresource === "" || (subresource === "status" ? type.status : type.subresources.includes(subresource) || isStream(type, subresource));
}

const streams: ReadonlySet<string> = new Set(["log", "exec", "attach", "portforward"]);

/** Whether a subresource leads into a pod's containers. */
export function isStream(type: ResourceType, subresource: string): boolean {
  return type.plural === "pods" && streams.has(subresource);
}

const collectionVerbs: ReadonlyMap<string, Verb> = new Map([["GET", "list"], ["POST", "create"], ["DELETE", "deletecollection"]]);
const objectVerbs: ReadonlyMap<string, Verb> = new Map([["GET", "get"], ["PUT", "update"], ["PATCH", "patch"], ["DELETE", "delete"]]);
const statusVerbs: ReadonlyMap<string, Verb> = new Map([["GET", "get"], ["PUT", "update"], ["PATCH", "patch"]]);
const actionVerbs: ReadonlyMap<string, Verb> = new Map([["POST", "create"]]);
const streamVerbs: ReadonlyMap<string, Verb> = new Map([["GET", "get"], ["POST", "create"]]);

function verbOf(method: string, name: string, subresource: string, query: URLSearchParams): Verb {
  const verb = verbsFor(name, subresource).get(method);
  if (verb === undefined) throw methodNotAllowed();
  return verb === "list" && isTrue(query.get("watch")) ? "watch" : verb;
}

function verbsFor(name: string, subresource: string): ReadonlyMap<string, Verb> {
  if (name === "") return collectionVerbs;
  if (subresource === "") return objectVerbs;
  if (subresource === "status") return statusVerbs;
  return streams.has(subresource) ? streamVerbs : actionVerbs;
}

/** Whether a query parameter is set: `1`, `true`, or given without a value. */
export function isTrue(value: string | null): boolean {
  return value !== null && value !== "0" && value.toLowerCase() !== "false";
}
