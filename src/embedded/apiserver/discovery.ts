/** What the server tells of itself: versions, groups, resources, and as much OpenAPI as kubectl asks for. */
import type { JsonObject } from "../../domain/json.ts";
import { reviews } from "./reviews.ts";
import { apiVersionOf, resourceTypes } from "./resources.ts";
import type { ResourceType } from "./resources.ts";

const objectVerbs = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
const statusVerbs = ["get", "patch", "update"];
const all: readonly ResourceType[] = [...resourceTypes.values()];
const groups: readonly string[] = [...new Set(all.map((type) => type.group))].filter((group) => group !== "");
const reviewGroups: readonly string[] = ["authentication.k8s.io", "authorization.k8s.io"];
const allGroups = [...groups, ...reviewGroups];

/** The document at a path of the discovery API; undefined if there is none. `aggregated`: the client takes the form with all groups at once. */
export function discover(path: string, aggregated: boolean): JsonObject | undefined {
  switch (path) {
    case "/version": return version;
    case "/api": return aggregated ? aggregate([""]) : { kind: "APIVersions", versions: ["v1"], serverAddressByClientCIDRs: [] };
    case "/apis": return aggregated ? aggregate(allGroups) : { kind: "APIGroupList", apiVersion: "v1", groups: allGroups.map(groupOf) };
    case "/openapi/v3": return { paths: Object.fromEntries(["", ...groups].map((group) => [openApiName(group), { serverRelativeURL: `/openapi/v3/${openApiName(group)}` }])) };
    default: return ofGroup(path);
  }
}

/** Whether a path without a document of its own is below one of the API's groups. */
export function isBelowKnownGroup(path: string): boolean {
  const [, root, group = ""] = path.split("/");
  return root === "api" || (root === "apis" && allGroups.includes(group));
}

/** The content type of aggregated discovery. */
export const aggregatedType = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

const version = {
  major: "1", minor: "34", gitVersion: "v1.34.0+embedded", gitCommit: "", gitTreeState: "clean", buildDate: "1970-01-01T00:00:00Z", goVersion: "", compiler: "", platform: `${process.platform}/${process.arch}`,
};

function ofGroup(path: string): JsonObject | undefined {
  const openApi = /^\/openapi\/v3\/(api\/v1|apis\/([^/]+)\/v1)$/.exec(path);
  if (openApi) return openApiDocument(openApi[2] ?? "");
  if (path === "/api/v1") return resourceList("");
  const [, group = "", rest] = /^\/apis\/([^/]+)(\/v1)?$/.exec(path) ?? [];
  if (!allGroups.includes(group)) return undefined;
  return rest === undefined ? { kind: "APIGroup", apiVersion: "v1", ...groupOf(group) } : resourceList(group);
}

function groupOf(name: string): JsonObject {
  const versions = [{ groupVersion: `${name}/v1`, version: "v1" }];
  return { name, versions, preferredVersion: versions[0] };
}

function typesOf(group: string): readonly ResourceType[] {
  return all.filter((type) => type.group === group);
}

interface Subresource {
  readonly name: string;
  readonly kind: string;
  readonly group: string;
  readonly version: string;
  readonly verbs: readonly string[];
}

function subresourcesOf(type: ResourceType): readonly Subresource[] {
  const status = { name: "status", kind: type.kind, group: type.group, version: type.version, verbs: statusVerbs };
  const actions = type.subresources.map((name) => (name === "eviction" ? { name, kind: "Eviction", group: "policy", version: "v1", verbs: ["create"] } : { name, kind: "Binding", group: "", version: "v1", verbs: ["create"] }));
  return [...actions, ...(type.status ? [status] : [])];
}

function resourceList(group: string): JsonObject {
  const resources = typesOf(group).flatMap((type) => [
    {
      name: type.plural, singularName: type.singular, namespaced: type.namespaced, kind: type.kind, verbs: objectVerbs,
      ...(type.shortNames.length === 0 ? {} : { shortNames: type.shortNames }), ...(type.categories.length === 0 ? {} : { categories: type.categories }),
    },
    ...subresourcesOf(type).map(({ name, kind, group, version, verbs }) => ({
      name: `${type.plural}/${name}`, singularName: "", namespaced: type.namespaced, ...(group === type.group ? {} : { group, version }), kind, verbs,
    })),
  ]);
  const questions = reviewsOf(group).map(({ plural, kind }) => ({ name: plural, singularName: kind.toLowerCase(), namespaced: false, kind, verbs: ["create"] }));
  return { kind: "APIResourceList", ...(group === "" ? {} : { apiVersion: "v1" }), groupVersion: group === "" ? "v1" : `${group}/v1`, resources: [...resources, ...questions] };
}

function aggregate(names: readonly string[]): JsonObject {
  const items = names.map((name) => ({
    metadata: name === "" ? { creationTimestamp: null } : { name, creationTimestamp: null },
    versions: [{ version: "v1", freshness: "Current", resources: [...typesOf(name).map(aggregateResource), ...reviewsOf(name).map((question) => aggregateReview(name, question))] }],
  }));
  return { kind: "APIGroupDiscoveryList", apiVersion: "apidiscovery.k8s.io/v2", metadata: {}, items };
}

function aggregateResource(type: ResourceType): JsonObject {
  const scope = type.namespaced ? "Namespaced" : "Cluster";
  const responseKind = { group: type.group, version: type.version, kind: type.kind };
  const subresources = subresourcesOf(type).map(({ name, kind, group, version, verbs }) => ({ subresource: name, responseKind: { group, version, kind }, verbs }));
  return {
    resource: type.plural, responseKind, scope, singularResource: type.singular, verbs: objectVerbs,
    ...(type.shortNames.length === 0 ? {} : { shortNames: type.shortNames }), ...(type.categories.length === 0 ? {} : { categories: type.categories }),
    ...(subresources.length === 0 ? {} : { subresources }),
  };
}

interface Review {
  readonly plural: string;
  readonly kind: string;
}

function reviewsOf(group: string): readonly Review[] {
  return [...reviews].filter(([name]) => name.startsWith(`${group}/`)).map(([name, kind]) => ({ plural: name.slice(group.length + 1), kind }));
}

function aggregateReview(group: string, { plural, kind }: Review): JsonObject {
  return { resource: plural, responseKind: { group, version: "v1", kind }, scope: "Cluster", singularResource: kind.toLowerCase(), verbs: ["create"] };
}

function openApiName(group: string): string {
  return group === "" ? "api/v1" : `apis/${group}/v1`;
}

/** Only what tells kubectl that objects can be patched with dry runs and field validation on the server's side. */
function openApiDocument(group: string): JsonObject | undefined {
  const types = typesOf(group);
  if (types.length === 0) return undefined;
  const parameters = ["dryRun", "fieldManager", "fieldValidation"].map((name) => ({ name, in: "query", schema: { type: "string", uniqueItems: true } }));
  const paths = types.map((type) => {
    const path = `/${openApiName(group)}/${type.namespaced ? "namespaces/{namespace}/" : ""}${type.plural}/{name}`;
    const operation = { parameters, responses: { 200: { description: "OK" } }, "x-kubernetes-group-version-kind": { group, version: "v1", kind: type.kind } };
    return [path, { patch: operation, put: operation }];
  });
  const schemas: Record<string, unknown> = {};
  for (const type of types) schemas[`${apiVersionOf(type)}.${type.kind}`] = { type: "object", "x-kubernetes-group-version-kind": [{ group, version: "v1", kind: type.kind }], "x-kubernetes-preserve-unknown-fields": true };
  return { openapi: "3.0.0", info: { title: "Kubernetes", version: version.gitVersion }, paths: Object.fromEntries(paths), components: { schemas } };
}
