/** Requests that change objects: create, update, patch, delete. */
import { scheduled } from "./actions.ts";
import type { JsonObject } from "../../domain/json.ts";
import { asNew, defaultSecret, withDefaults } from "./defaults.ts";
import { ApiError, badRequest, invalid, modified, notFound, uidConflict, versionRequired } from "./errors.ts";
import { at, isObject, objectOr, textOr } from "./json.ts";
import { metaText, timestamp } from "./metadata.ts";
import { applyPatch } from "./patch/apply.ts";
import { jsonPatch } from "./patch/json-patch.ts";
import { mergePatch } from "./patch/merge.ts";
import { strategicMergePatch } from "./patch/strategic.ts";
import { isTrue } from "./request.ts";
import type { ResourceRequest } from "./request.ts";
import { apiVersionOf, typeOf } from "./resources.ts";
import type { ResourceType } from "./resources.ts";
import { checkKind, checkShape, shapeProblem } from "./shape.ts";
import { completeStatus, statusErrors } from "./status.ts";
import type { ObjectStore } from "./store.ts";
import { validateNew, validateUpdate } from "./validate.ts";
import type { Version } from "./version.ts";
import { checkWriteOptions, deletionOptions, isDryRun } from "./write-options.ts";

/** What came of a write. */
export interface Written {
  readonly code: number;
  readonly version: Version;
}

/** Media types of patches. */
export const patchTypes = {
  json: "application/json-patch+json", merge: "application/merge-patch+json", strategic: "application/strategic-merge-patch+json", apply: "application/apply-patch+yaml",
} as const;

/** Creates an object from a request's body. */
export function create(store: ObjectStore, request: ResourceRequest, body: JsonObject, now: number): Written {
  const { type, namespace } = request;
  checkWriteOptions(request);
  checkKind(type, body);
  checkShape(type, body);
  if (request.verb === "create" && metaText(body, "resourceVersion") !== "") throw new ApiError(500, "", "resourceVersion should not be set on objects to be created");
  const object = asNew(type, inNamespace(type, body, namespace));
  checkNamespace(store, request, metaText(object, "name"));
  validateNew(type, object);
  const bound = type.plural === "pods" ? withNodeCondition(object, now) : object;
  const { name: _name, ...meta } = objectOr(bound["metadata"]);
  const named = metaText(bound, "name") === "" ? { ...bound, metadata: meta } : bound;
  return { code: 201, version: isDryRun(request) ? store.preview(type, named, namespace) : store.add(type, named, namespace) };
}

/** A pod that is made for a node counts as scheduled. */
function withNodeCondition(pod: JsonObject, now: number): JsonObject {
  return textOr(at(pod, "spec", "nodeName")) === "" ? pod : { ...pod, status: { ...objectOr(pod["status"]), conditions: [scheduled(now)] } };
}

function inNamespace(type: ResourceType, body: JsonObject, namespace: string): JsonObject {
  const given = metaText(body, "namespace");
  if (type.namespaced && given !== "" && given !== namespace) throw badRequest("the namespace of the provided object does not match the namespace sent on the request");
  return { ...body, metadata: { ...objectOr(body["metadata"]), ...(type.namespaced ? { namespace } : {}) } };
}

function checkNamespace(store: ObjectStore, { type, namespace }: ResourceRequest, name: string): void {
  if (!type.namespaced) return;
  const holder = store.need(typeOf("namespaces"), "", namespace);
  if (holder.object.metadata.deletionTimestamp === undefined) return;
  throw new ApiError(403, "Forbidden", `${type.plural} "${name}" is forbidden: unable to create new content in namespace ${namespace} because it is being terminated`, {
    name, kind: type.plural, causes: [{ reason: "NamespaceTerminating", message: `namespace ${namespace} is being terminated`, field: "metadata.namespace" }],
  });
}

/** Replaces an object; some resources let it be created so. */
export function update(store: ObjectStore, request: ResourceRequest, body: JsonObject, now: number): Written {
  const { type, namespace, name } = request;
  checkWriteOptions(request);
  checkKind(type, body);
  checkShape(type, body);
  checkIdentity(request, body);
  if (type.createOnUpdate && request.subresource === "" && !store.version(type, namespace, name)) return create(store, request, body, now);
  const old = store.need(type, namespace, name);
  const uid = metaText(body, "uid");
  if (uid !== "" && uid !== old.object.metadata.uid) throw uidConflict(type, name, old.key, uid, old.object.metadata.uid);
  if (!type.blindUpdates && metaText(body, "resourceVersion") === "") throw versionRequired(type, name);
  return store200(store, request, old, request.subresource === "" ? withDefaults(type, body) : body);
}

function checkIdentity({ type, namespace, name }: ResourceRequest, object: JsonObject): void {
  const given = metaText(object, "name");
  if (given !== name) throw badRequest(given === "" ? "name must be provided" : `the name of the object (${given}) does not match the name on the URL (${name})`);
  const other = metaText(object, "namespace");
  if (type.namespaced && other !== "" && other !== namespace) throw badRequest("the namespace of the provided object does not match the namespace sent on the request");
}

/** Changes an object by a patch; server-side apply also creates it. */
export function patch(store: ObjectStore, request: ResourceRequest, media: string, body: unknown, now: number): Written {
  const { type, namespace, name } = request;
  checkWriteOptions(request, media === patchTypes.apply);
  const old = store.version(type, namespace, name);
  if (media === patchTypes.apply) return apply(store, request, old, body, now);
  if (!old) throw notFound(type, name);
  const next = patched(type, old, media, body);
  if (!isObject(next)) throw badRequest("error decoding patch: the result is no object");
  const problem = shapeProblem(type, next, old.object);
  if (problem !== undefined) throw invalid({ kind: "", group: "" }, "", [{ field: "patch", reason: "FieldValueInvalid", message: `Invalid value: ${problem}` }]);
  checkIdentity(request, next);
  return store200(store, request, old, next["spec"] === old.object["spec"] ? next : withDefaults(type, next));
}

function patched(type: ResourceType, old: Version, media: string, body: unknown): unknown {
  if (media === patchTypes.json) return jsonPatch(old.object, body);
  if (!isObject(body)) throw badRequest(`error decoding patch: json: cannot unmarshal ${Array.isArray(body) ? "array" : typeof body} into Go value of type map[string]interface {}`);
  if (media === patchTypes.merge) return mergePatch(old.object, body);
  if (media === patchTypes.strategic && !type.custom) return strategicMergePatch(old.object, body);
  if (type.custom) throw new ApiError(415, "UnsupportedMediaType", `the body of the request was in an unknown format - accepted media types include: ${[patchTypes.json, patchTypes.merge, patchTypes.apply].join(", ")}`);
  throw new ApiError(415, "UnsupportedMediaType", "415: Unsupported Media Type", {});
}

function apply(store: ObjectStore, request: ResourceRequest, old: Version | undefined, body: unknown, now: number): Written {
  const { type, name, namespace, query, subresource } = request;
  if (!isObject(body)) throw badRequest("error decoding YAML: the body is no object");
  checkTyped(body);
  checkKind(type, body);
  checkShape(type, body);
  const named = { ...body, metadata: { ...objectOr(body["metadata"]), name: metaText(body, "name") || name } };
  checkIdentity(request, named);
  if (!old && subresource !== "") throw notFound(type, name);
  const next = applyPatch(old?.object ?? { apiVersion: apiVersionOf(type), kind: type.kind, metadata: { name } }, {
    manager: query.get("fieldManager") ?? "", force: isTrue(query.get("force")), subresource, apiVersion: apiVersionOf(type), time: timestamp(now), config: named,
  });
  return old ? store200(store, request, old, withDefaults(type, next)) : create(store, request, { ...next, metadata: { ...objectOr(next["metadata"]), ...(type.namespaced ? { namespace } : {}) } }, now);
}

function checkTyped(body: JsonObject): void {
  const apiVersion = textOr(body["apiVersion"]);
  const kind = textOr(body["kind"]);
  if (apiVersion === "" || kind === "") throw badRequest(`invalid object type: ${apiVersion || "/"}, Kind=${kind}`);
}

/** Stores a new state in the part that the request is about. */
function store200(store: ObjectStore, request: ResourceRequest, old: Version, next: JsonObject): Written {
  const { type, name } = request;
  const version = metaText(next, "resourceVersion");
  if (version !== "" && version !== old.object.metadata.resourceVersion) throw modified(type, name);
  const state = request.subresource === "status" ? withStatusOnly(old, next) : withoutStatus(old, next);
  validateUpdate(type, old.object, state);
  const refused = request.subresource === "status" ? statusErrors(type, old.object, objectOr(state["status"])) : [];
  if (refused.length > 0) throw invalid(type, name, refused);
  return { code: 200, version: store.replace(old, state, isDryRun(request)) };
}

function withStatusOnly(old: Version, next: JsonObject): JsonObject {
  const metadata = old.type.custom ? old.object.metadata : next["metadata"];
  const { status: _status, ...rest } = old.object;
  const { status } = next;
  if (status === undefined) return { ...rest, metadata };
  return { ...rest, metadata, status: isObject(status) && status !== old.object["status"] ? completeStatus(old.type, old.object, status) : status };
}

function withoutStatus(old: Version, next: JsonObject): JsonObject {
  if (old.type.plural === "secrets") return defaultSecret(next);
  if (!old.type.status) return next;
  const { status: _status, ...rest } = next;
  const status = old.object["status"];
  return status === undefined ? rest : { ...rest, status };
}

/** Deletes an object. */
export function remove(store: ObjectStore, request: ResourceRequest, options: JsonObject): { readonly version: Version; readonly gone: boolean } {
  checkWriteOptions(request);
  const old = store.need(request.type, request.namespace, request.name);
  return store.erase(old, deletionOptions(request, options), isDryRun(request, options));
}
