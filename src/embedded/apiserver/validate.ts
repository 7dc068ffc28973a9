/** What the API server refuses to store: a useful part of Kubernetes' validation, with its words. */
import type { KubeObject } from "../contract.ts";
import type { JsonObject } from "../../domain/json.ts";
import { invalid } from "./errors.ts";
import type { FieldError } from "./errors.ts";
import { equal, listOr, objectOr, textOr } from "./json.ts";
import { finalizersOf, metaText } from "./metadata.ts";
import { labelNameProblem, labelValueProblem, nameProblem } from "./names.ts";
import type { ResourceType } from "./resources.ts";

/** Most bytes of all annotations of an object together. */
const maxAnnotationBytes = 262_144;

function wrong(field: string, value: unknown, message: string): FieldError {
  return { field, reason: "FieldValueInvalid", message: `Invalid value: ${JSON.stringify(value)}: ${message}` };
}

const required = (field: string, message = ""): FieldError => ({ field, reason: "FieldValueRequired", message: `Required value${message}` });
const forbidden = (field: string, message: string): FieldError => ({ field, reason: "FieldValueForbidden", message: `Forbidden: ${message}` });

/** Checks an object that is to be created. Throws ApiError 422. */
export function validateNew(type: ResourceType, object: JsonObject): void {
  const name = metaText(object, "name");
  const errors: FieldError[] = [];
  if (name === "" && metaText(object, "generateName") === "") errors.push(required("metadata.name", ": name or generateName is required"));
  const problem = name === "" ? undefined : nameProblem(type.names, name);
  if (problem !== undefined) errors.push(wrong("metadata.name", name, problem));
  errors.push(...metadataErrors(object), ...(type.plural === "pods" ? podErrors(object) : []));
  refuse(type, name, errors);
}

/** Checks a new state of an object. Throws ApiError 422. */
export function validateUpdate(type: ResourceType, old: KubeObject, next: JsonObject): void {
  const errors: FieldError[] = [];
  const uid = metaText(next, "uid");
  if (uid !== "" && uid !== old.metadata.uid) errors.push(wrong("metadata.uid", uid, "field is immutable"));
  if (old.metadata.deletionTimestamp !== undefined) {
    const added = finalizersOf(next).filter((finalizer) => !finalizersOf(old).includes(finalizer));
    if (added.length > 0) errors.push(forbidden("metadata.finalizers", `no new finalizers can be added if the object is being deleted, found new finalizers []string{${added.map((item) => JSON.stringify(item)).join(", ")}}`));
  }
  if (!equal(old.metadata, next["metadata"])) errors.push(...metadataErrors(next));
  if (type.plural === "pods" && !equal(old["spec"], next["spec"])) errors.push(...podErrors(next), ...podChangeErrors(objectOr(old["spec"]), objectOr(next["spec"])));
  if (isImmutable(old) && !equal(old["data"], next["data"])) errors.push(forbidden("data", "field is immutable when `immutable` is set"));
  refuse(type, old.metadata.name, errors);
}

function isImmutable(object: KubeObject): boolean {
  return (object.kind === "ConfigMap" || object.kind === "Secret") && object["immutable"] === true;
}

function refuse(type: ResourceType, name: string, errors: readonly FieldError[]): void {
  if (errors.length > 0) throw invalid(type, name, errors);
}

function metadataErrors(object: JsonObject): readonly FieldError[] {
  const metadata = objectOr(object["metadata"]);
  const errors: FieldError[] = [];
  for (const [key, value] of Object.entries(objectOr(metadata["labels"]))) {
    const keyProblem = labelNameProblem(key);
    if (keyProblem !== undefined) errors.push(wrong("metadata.labels", key, keyProblem));
    const valueProblem = labelValueProblem(textOr(value));
    if (valueProblem !== undefined) errors.push(wrong("metadata.labels", value, valueProblem));
  }
  let bytes = 0;
  for (const [key, value] of Object.entries(objectOr(metadata["annotations"]))) {
    bytes += Buffer.byteLength(key) + Buffer.byteLength(textOr(value));
    const problem = labelNameProblem(key.toLowerCase());
    if (problem !== undefined) errors.push(wrong("metadata.annotations", key, problem));
  }
  if (bytes > maxAnnotationBytes) errors.push({ field: "metadata.annotations", reason: "FieldValueTooLong", message: `Too long: may not be more than ${maxAnnotationBytes} bytes` });
  return [...errors, ...finalizersOf(object).flatMap((finalizer, i) => finalizerErrors(textOr(finalizer), `metadata.finalizers[${i}]`))];
}

function finalizerErrors(finalizer: string, path: string): readonly FieldError[] {
  const problem = labelNameProblem(finalizer);
  if (problem !== undefined) return [wrong(path, finalizer, problem)];
  const known = standardFinalizers.has(finalizer) || finalizer.includes("/");
  return known ? [] : [wrong(path, finalizer, "name is neither a standard finalizer name nor is it fully qualified")];
}

const standardFinalizers: ReadonlySet<string> = new Set(["kubernetes", "orphan", "foregroundDeletion"]);

function podErrors(object: JsonObject): readonly FieldError[] {
  const spec = objectOr(object["spec"]);
  const containers = listOr(spec["containers"]);
  if (containers.length === 0) return [required("spec.containers")];
  return ["initContainers", "containers"].flatMap((list) => listOr(spec[list]).flatMap((container, i) => containerErrors(objectOr(container), `spec.${list}[${i}]`)));
}

function containerErrors(container: JsonObject, path: string): readonly FieldError[] {
  const name = textOr(container["name"]);
  const problem = name === "" ? undefined : nameProblem("label", name);
  return [
    ...(name === "" ? [required(`${path}.name`)] : []),
    ...(problem === undefined ? [] : [wrong(`${path}.name`, name, problem)]),
    ...(textOr(container["image"]) === "" ? [required(`${path}.image`)] : []),
  ];
}

const podChange = "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

function podChangeErrors(old: JsonObject, next: JsonObject): readonly FieldError[] {
  for (const list of ["containers", "initContainers"]) {
    const names = (spec: JsonObject): readonly unknown[] => listOr(spec[list]).map((container) => objectOr(container)["name"]);
    if (!equal(names(old), names(next))) return [forbidden(`spec.${list}`, "pod updates may not add or remove containers")];
  }
  const kept = listOr(old["tolerations"]).every((toleration) => listOr(next["tolerations"]).some((other) => equal(toleration, other)));
  return kept && equal(fixedPart(old), fixedPart(next)) ? [] : [forbidden("spec", podChange)];
}

/** The part of a pod's spec that can not be changed. */
function fixedPart(spec: JsonObject): JsonObject {
  const { activeDeadlineSeconds: _deadline, tolerations: _tolerations, ...rest } = spec;
  const images = (list: unknown): unknown => listOr(list).map((container) => ({ ...objectOr(container), image: "" }));
  return { ...rest, containers: images(spec["containers"]), initContainers: images(spec["initContainers"]) };
}
