/** Requests that change objects: create, update, patch, delete, and the actions on pods. */
import type { ResourceName } from "../contract.ts";
import type { JsonObject } from "../../domain/json.ts";
import { withDefaults, defaultSecret } from "./defaults.ts";
import { ApiError, badRequest, conflict, invalid, methodNotAllowed, modified, notFound } from "./errors.ts";
import { at, isObject, listOr, objectOr, textOr } from "./json.ts";
import { metaText, timestamp } from "./metadata.ts";
import { applyPatch } from "./patch/apply.ts";
import { jsonPatch } from "./patch/json-patch.ts";
import { mergePatch } from "./patch/merge.ts";
import { strategicMergePatch } from "./patch/strategic.ts";
import type { ResourceRequest } from "./request.ts";
import { apiVersionOf, typeOf } from "./resources.ts";
import type { ResourceType } from "./resources.ts";
import { checkKind, checkShape, shapeProblem } from "./shape.ts";
import type { DeletionOptions, ObjectStore } from "./store.ts";
import { validateNew, validateUpdate } from "./validate.ts";
import type { Version } from "./version.ts";

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
  checkKind(type, body);
  checkShape(type, body);
  const object = withDefaults(type, inNamespace(type, body, namespace));
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

function scheduled(now: number): JsonObject {
  return { type: "PodScheduled", status: "True", lastProbeTime: null, lastTransitionTime: timestamp(now) };
}

function inNamespace(type: ResourceType, body: JsonObject, namespace: string): JsonObject {
  const given = metaText(body, "namespace");
  if (type.namespaced && given !== "" && given !== namespace) throw badRequest("the namespace of the provided object does not match the namespace sent on the request");
  return { ...body, metadata: objectOr(body["metadata"]) };
}

function checkNamespace(store: ObjectStore, { type, namespace }: ResourceRequest, name: string): void {
  if (!type.namespaced) return;
  const holder = store.need(typeOf("namespaces"), "", namespace);
  if (holder.object.metadata.deletionTimestamp === undefined) return;
  throw new ApiError(403, "Forbidden", `${type.plural} "${name}" is forbidden: unable to create new content in namespace ${namespace} because it is being terminated`, {
    name, kind: type.plural, causes: [{ reason: "NamespaceTerminating", message: `namespace ${namespace} is being terminated`, field: "metadata.namespace" }],
  });
}

/** Replaces an object. */
export function update(store: ObjectStore, request: ResourceRequest, body: JsonObject): Written {
  const { type, namespace, name } = request;
  checkKind(type, body);
  checkShape(type, body);
  checkIdentity(request, body);
  const old = store.need(type, namespace, name);
  const uid = metaText(body, "uid");
  if (uid !== "" && uid !== old.object.metadata.uid) {
    throw conflict(type.plural, type, name, `StorageError: invalid object, Code: 4, Key: /registry/${type.plural}/${old.key}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: ${uid}, UID in object meta: ${old.object.metadata.uid}`);
  }
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
  const old = store.version(type, namespace, name);
  if (media === patchTypes.apply) return apply(store, request, old, body, now);
  if (!old) throw notFound(type, name);
  const next = patched(type, old, media, body);
  if (!isObject(next)) throw badRequest("error decoding patch: the result is no object");
  const problem = shapeProblem(type, next);
  if (problem !== undefined) throw invalid({ kind: "", group: "" }, "", [{ field: "patch", reason: "FieldValueInvalid", message: `Invalid value: ${problem}` }]);
  checkIdentity(request, next);
  return store200(store, request, old, next);
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
  checkKind(type, body);
  checkShape(type, body);
  const named = { ...body, metadata: { ...objectOr(body["metadata"]), name: metaText(body, "name") || name } };
  checkIdentity(request, named);
  if (!old && subresource !== "") throw notFound(type, name);
  const next = applyPatch(old?.object ?? { apiVersion: apiVersionOf(type), kind: type.kind, metadata: { name } }, {
    manager: query.get("fieldManager") ?? "", subresource, apiVersion: apiVersionOf(type), time: timestamp(now), config: named,
  });
  return old ? store200(store, request, old, next) : create(store, request, { ...next, metadata: { ...objectOr(next["metadata"]), ...(type.namespaced ? { namespace } : {}) } }, now);
}

/** Stores a new state in the part that the request is about. */
function store200(store: ObjectStore, request: ResourceRequest, old: Version, next: JsonObject): Written {
  const { type, name } = request;
  const version = metaText(next, "resourceVersion");
  if (version !== "" && version !== old.object.metadata.resourceVersion) throw modified(type, name);
  if (version === "" && type.custom) throw invalid(type, name, [{ field: "metadata.resourceVersion", reason: "FieldValueInvalid", message: "Invalid value: 0x0: must be specified for an update" }]);
  const state = request.subresource === "status" ? withStatusOnly(old, next) : withoutStatus(old, next);
  validateUpdate(type, old.object, state);
  return { code: 200, version: store.replace(old, state, isDryRun(request)) };
}

function withStatusOnly(old: Version, next: JsonObject): JsonObject {
  const metadata = old.type.custom ? old.object.metadata : next["metadata"];
  const { status: _status, ...rest } = old.object;
  return { ...rest, metadata, ...(next["status"] === undefined ? {} : { status: next["status"] }) };
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
  const old = store.need(request.type, request.namespace, request.name);
  if (isDryRun(request) || listOr(options["dryRun"]).includes("All")) return { version: old, gone: true };
  return store.erase(old, deletionOptions(request, options));
}

/** Grace period and preconditions; what the query says counts if there is no body. */
export function deletionOptions({ query }: ResourceRequest, options: JsonObject): DeletionOptions {
  const inQuery = query.get("gracePeriodSeconds");
  const grace = options["gracePeriodSeconds"] ?? (inQuery === null || !/^-?\d+$/.test(inQuery) ? undefined : Number(inQuery));
  const { uid, resourceVersion } = objectOr(options["preconditions"]);
  return {
    gracePeriodSeconds: typeof grace === "number" && Number.isSafeInteger(grace) ? grace : undefined,
    uid: typeof uid === "string" ? uid : undefined,
    resourceVersion: typeof resourceVersion === "string" ? resourceVersion : undefined,
  };
}

/** Binds a pod to a node. */
export function bind(store: ObjectStore, { type, namespace, name }: ResourceRequest, body: JsonObject, now: number): void {
  const node = textOr(at(body, "target", "name"));
  if (node === "") throw new ApiError(500, "", "target.name: Required value");
  const { object } = store.need(type, namespace, name);
  const refusal = (why: string): ApiError => conflict(`${type.plural}/binding`, type, name, why);
  if (object.metadata.deletionTimestamp !== undefined) throw refusal(`pod ${name} is being deleted, cannot be assigned to a host`);
  const known = textOr(at(object, "spec", "nodeName"));
  if (known !== "") throw refusal(`pod ${name} is already assigned to node "${known}"`);
  const binding = objectOr(body["metadata"]);
  store.update("pods" satisfies ResourceName, namespace, name, (draft) => {
    const status = objectOr(draft["status"]);
    const others = listOr(status["conditions"]).filter((condition) => at(condition, "type") !== "PodScheduled");
    draft["spec"] = { ...objectOr(draft["spec"]), nodeName: node };
    draft["status"] = { ...status, conditions: [...others, scheduled(now)] };
    draft["metadata"] = { ...objectOr(draft["metadata"]), annotations: { ...objectOr(at(draft, "metadata", "annotations")), ...objectOr(binding["annotations"]) } };
  });
}

/** Evicts a pod: a deletion, as no disruption budgets exist here. */
export function evict(store: ObjectStore, request: ResourceRequest, body: JsonObject): void {
  if (metaText(body, "name") !== request.name) throw badRequest("name in URL does not match name in Eviction object");
  const old = store.need(request.type, request.namespace, request.name);
  if (!isDryRun(request)) store.erase(old, deletionOptions(request, objectOr(body["deleteOptions"])));
}

function isDryRun({ query }: ResourceRequest): boolean {
  return query.getAll("dryRun").includes("All");
}

/** The action of a pod's subresource. */
export function act(store: ObjectStore, request: ResourceRequest, body: JsonObject, now: number): void {
  if (request.subresource === "binding") bind(store, request, body, now);
  else if (request.subresource === "eviction") evict(store, request, body);
  else throw methodNotAllowed();
}
