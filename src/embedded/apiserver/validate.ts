/** What the API server refuses to store: a useful part of Kubernetes' validation, with its words. */
import type { KubeObject } from "../contract.ts";
import type { JsonObject } from "../../domain/json.ts";
import { forbidden, invalid, required, wrong } from "./errors.ts";
import type { FieldError } from "./errors.ts";
import { equal, objectOr, own, textOr } from "./json.ts";
import { finalizersOf, metaText } from "./metadata.ts";
import { labelNameProblem, labelValueProblem, nameProblem } from "./names.ts";
import type { ResourceType } from "./resources.ts";
import { contentChangeErrors, contentErrors } from "./validate-data.ts";
import { podChangeErrors, podErrors } from "./validate-pod.ts";

/** Most bytes of all annotations of an object together. */
const maxAnnotationBytes = 262_144;

/** Checks an object that is to be created. Throws ApiError 422. */
export function validateNew(type: ResourceType, object: JsonObject): void {
  const name = metaText(object, "name");
  const errors: FieldError[] = [];
  if (name === "" && metaText(object, "generateName") === "") errors.push(required("metadata.name", ": name or generateName is required"));
  const problem = name === "" ? undefined : nameProblem(type.names, name);
  if (problem !== undefined) errors.push(wrong("metadata.name", name, problem));
  errors.push(...metadataErrors(object), ...(type.plural === "pods" ? podErrors(object) : contentErrors(type, object)));
  refuse(type, name, errors);
}

/** Checks a new state of an object. Throws ApiError 422. */
export function validateUpdate(type: ResourceType, old: KubeObject, next: JsonObject): void {
  const errors: FieldError[] = ["uid", "deletionTimestamp"].flatMap((member) => {
    const value = metaText(next, member);
    return value === "" || value === old.metadata[member] ? [] : [wrong(`metadata.${member}`, value, "field is immutable")];
  });
  if (old.metadata.deletionTimestamp !== undefined) {
    const added = finalizersOf(next).filter((finalizer) => !finalizersOf(old).includes(finalizer));
    if (added.length > 0) errors.push(forbidden("metadata.finalizers", `no new finalizers can be added if the object is being deleted, found new finalizers []string{${added.map((item) => JSON.stringify(item)).join(", ")}}`));
  }
  if (!equal(old.metadata, next["metadata"])) errors.push(...metadataErrors(next, old.metadata));
  if (type.plural === "pods" && !equal(old["spec"], next["spec"])) errors.push(...podErrors(next), ...podChangeErrors(objectOr(old["spec"]), objectOr(next["spec"])));
  if (type.plural !== "pods") errors.push(...contentErrors(type, next), ...contentChangeErrors(type, old, next));
  refuse(type, old.metadata.name, errors);
}

function refuse(type: ResourceType, name: string, errors: readonly FieldError[]): void {
  if (errors.length > 0) throw invalid(type, name, errors);
}

/** @param known metadata that was found good before: what stands there as well is not looked at again. */
function metadataErrors(object: JsonObject, known: JsonObject = {}): readonly FieldError[] {
  const metadata = objectOr(object["metadata"]);
  const errors: FieldError[] = [];
  const knownLabels = objectOr(known["labels"]);
  const knownAnnotations = objectOr(known["annotations"]);
  const labels = objectOr(metadata["labels"]);
  for (const key of Object.keys(labels)) {
    const value = labels[key];
    if (own(knownLabels, key) === value) continue;
    const keyProblem = labelNameProblem(key);
    if (keyProblem !== undefined) errors.push(wrong("metadata.labels", key, keyProblem));
    const valueProblem = labelValueProblem(textOr(value));
    if (valueProblem !== undefined) errors.push(wrong("metadata.labels", value, valueProblem));
  }
  let bytes = 0;
  const annotations = objectOr(metadata["annotations"]);
  for (const key of Object.keys(annotations)) {
    bytes += Buffer.byteLength(key) + Buffer.byteLength(textOr(annotations[key]));
    if (own(knownAnnotations, key) !== undefined) continue;
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
