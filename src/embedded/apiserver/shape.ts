/** Bodies of requests: whether they are of the kind of the resource, with the JSON types that the cluster relies on. */
import type { JsonObject } from "../../domain/json.ts";
import { badRequest } from "./errors.ts";
import { parseQuantity } from "../../domain/quantity.ts";
import { at, isObject, objectOr, textOr } from "./json.ts";
import { apiVersionOf } from "./resources.ts";
import type { ResourceType } from "./resources.ts";

/** Checks the kinds of JSON values that the cluster itself relies on. Throws ApiError 400. */
export function checkShape(type: ResourceType, object: JsonObject): void {
  const problem = shapeProblem(type, object);
  if (problem !== undefined) throw badRequest(`${type.kind} in version "${type.version}" cannot be handled as a ${type.kind}: ${problem}`);
}

/** What {@link checkShape} complains of. @param known a state that is stored: a spec that it shares is not looked at again. */
export function shapeProblem(type: ResourceType, object: JsonObject, known?: JsonObject): string | undefined {
  const metadata = object["metadata"] ?? {};
  if (!isObject(metadata)) return mismatch(metadata, `${type.kind}.metadata`, "v1.ObjectMeta");
  return textProblem(metadata) ?? mapProblem(metadata, "labels") ?? mapProblem(metadata, "annotations") ?? finalizerProblem(metadata) ?? partProblem(type, object) ?? podProblem(type, object, known) ?? dataProblem(type, object);
}

function textProblem(metadata: JsonObject): string | undefined {
  const member = ["name", "generateName", "namespace", "uid", "resourceVersion"].find((name) => !isTextOrNone(metadata[name]));
  return member === undefined ? undefined : mismatch(metadata[member], `ObjectMeta.metadata.${member}`, "string");
}

function mapProblem(metadata: JsonObject, member: string): string | undefined {
  const map = metadata[member] ?? {};
  if (!isObject(map)) return mismatch(map, `ObjectMeta.metadata.${member}`, "map[string]string");
  const bad = Object.values(map).find((value) => !isTextOrNone(value));
  return bad === undefined ? undefined : mismatch(bad, `ObjectMeta.metadata.${member}`, "string");
}

function finalizerProblem(metadata: JsonObject): string | undefined {
  const finalizers = metadata["finalizers"] ?? [];
  const fine = Array.isArray(finalizers) && finalizers.every((item) => typeof item === "string");
  return fine ? undefined : mismatch(finalizers, "ObjectMeta.metadata.finalizers", "[]string");
}

function partProblem(type: ResourceType, object: JsonObject): string | undefined {
  const member = type.status ? ["spec", "status"].find((name) => !isObject(object[name] ?? {})) : undefined;
  return member === undefined ? undefined : mismatch(object[member], `${type.kind}.${member}`, `v1.${type.kind}${member === "spec" ? "Spec" : "Status"}`);
}

function podProblem(type: ResourceType, object: JsonObject, known: JsonObject | undefined): string | undefined {
  if (type.plural !== "pods" || object["spec"] === known?.["spec"]) return undefined;
  for (const member of ["containers", "initContainers"]) {
    const containers = objectOr(object["spec"])[member] ?? [];
    if (!Array.isArray(containers)) return mismatch(containers, `PodSpec.spec.${member}`, "[]v1.Container");
    const bad: unknown = containers.find((container) => !isObject(container));
    if (bad !== undefined) return mismatch(bad, `PodSpec.spec.${member}`, "v1.Container");
    for (const container of containers) {
      const problem = quantityProblem(container);
      if (problem !== undefined) return problem;
    }
  }
  return undefined;
}

const quantityPattern = "^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$";

function quantityProblem(container: unknown): string | undefined {
  const lists = ["limits", "requests"].flatMap((name) => Object.values(objectOr(at(container, "resources", name))));
  return lists.every((value) => parseQuantity(String(value)) !== undefined) ? undefined : `quantities must match the regular expression '${quantityPattern}'`;
}

function dataProblem(type: ResourceType, object: JsonObject): string | undefined {
  if (type.plural !== "configmaps" && type.plural !== "secrets") return undefined;
  const values = ["data", "binaryData", "stringData"].flatMap((member) => Object.values(objectOr(object[member])).map((value) => ({ member, value })));
  const bad = values.find(({ value }) => !isTextOrNone(value));
  if (bad) return mismatch(bad.value, `${type.kind}.${bad.member}`, "string");
  const encoded = values.filter(({ member }) => member === "binaryData" || (member === "data" && type.plural === "secrets"));
  return encoded.every(({ value }) => isBase64(textOr(value))) ? undefined : "illegal base64 data at input byte 0";
}

function isBase64(text: string): boolean {
  const plain = text.replaceAll(/[\r\n]/g, "");
  return plain.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(plain);
}

function isTextOrNone(value: unknown): boolean {
  return value === undefined || value === null || typeof value === "string";
}

function mismatch(value: unknown, field: string, expected: string): string {
  const found = Array.isArray(value) ? "array" : typeof value === "boolean" ? "bool" : typeof value;
  return `json: cannot unmarshal ${found} into Go struct field ${field} of type ${expected}`;
}

/** Kind and apiVersion of a body must be those of the resource. Throws ApiError 400. */
export function checkKind(type: ResourceType, object: JsonObject): void {
  if (type.custom && textOr(object["kind"]) === "") throw badRequest(`the object provided is unrecognized (must be of type ${type.kind}): Object 'Kind' is missing in '${JSON.stringify(object).slice(0, 200)}'`);
  const kind = textOr(object["kind"], type.kind) || type.kind;
  const apiVersion = textOr(object["apiVersion"], apiVersionOf(type)) || apiVersionOf(type);
  if (kind === type.kind && apiVersion === apiVersionOf(type)) return;
  throw badRequest(`${kind} in version "${apiVersion}" cannot be handled as a ${type.kind}: no kind "${kind}" is registered for version "${apiVersion}" in scheme "pkg/runtime/scheme.go:110"`);
}
