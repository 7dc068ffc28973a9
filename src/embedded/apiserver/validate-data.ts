/** What the API server refuses in objects other than pods, with its words. */
import type { KubeObject, ResourceName } from "../contract.ts";
import type { JsonObject } from "../../domain/json.ts";
import { forbidden, required, wrong } from "./errors.ts";
import type { FieldError } from "./errors.ts";
import { at, equal, isObject, listOr, objectOr } from "./json.ts";
import { metaText } from "./metadata.ts";
import type { ResourceType } from "./resources.ts";

type Check = (object: JsonObject) => readonly FieldError[];

/** Most bytes of a ConfigMap's or Secret's data. */
const maxDataBytes = 1024 * 1024;
const keyPattern = "[-._a-zA-Z0-9]+";

const checks: Readonly<Partial<Record<ResourceName, Check>>> = {
  configmaps: (map) => dataErrors(map, "ConfigMap"),
  secrets: (secret) => dataErrors(secret, "Secret"),
  events: eventErrors,
  leases: leaseErrors,
  persistentvolumeclaims: claimErrors,
};

/** What is wrong with an object. */
export function contentErrors(type: ResourceType, object: JsonObject): readonly FieldError[] {
  const missing = type.required.filter((member) => object[member] === undefined).map((member) => required(member));
  return [...missing, ...(checks[type.plural]?.(object) ?? [])];
}

/** What is wrong with a change. */
export function contentChangeErrors(type: ResourceType, old: KubeObject, next: JsonObject): readonly FieldError[] {
  if (type.plural === "persistentvolumeclaims") return claimChangeErrors(objectOr(old["spec"]), objectOr(next["spec"]));
  if (type.plural !== "configmaps" && type.plural !== "secrets") return [];
  return [
    ...(type.plural === "secrets" && old["type"] !== next["type"] ? [wrong("type", next["type"], "field is immutable")] : []),
    ...(old["immutable"] === true ? frozenErrors(old, next) : []),
  ];
}

function frozenErrors(old: KubeObject, next: JsonObject): readonly FieldError[] {
  const changed = ["data", "binaryData"].filter((member) => !equal(objectOr(old[member]), objectOr(next[member])));
  return [...(next["immutable"] === true ? [] : ["immutable"]), ...changed].map((member) => forbidden(member, "field is immutable when `immutable` is set"));
}

function dataErrors(object: JsonObject, kind: "ConfigMap" | "Secret"): readonly FieldError[] {
  const errors: FieldError[] = [];
  let bytes = 0;
  for (const member of ["data", "binaryData"]) {
    for (const [key, value] of Object.entries(objectOr(object[member]))) {
      const text = typeof value === "string" ? value : "";
      bytes += kind === "Secret" || member === "binaryData" ? Math.floor((text.length * 3) / 4) : Buffer.byteLength(text);
      if (!/^[-._a-zA-Z0-9]+$/.test(key)) errors.push(wrong(`${member}[${key}]`, key, `a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '${keyPattern}')`));
    }
  }
  if (bytes > maxDataBytes) errors.push({ field: kind === "Secret" ? "data" : "[]", reason: "FieldValueTooLong", message: `Too long: may not be more than ${maxDataBytes} bytes` });
  return errors;
}

function eventErrors(event: JsonObject): readonly FieldError[] {
  const about = at(event, "involvedObject", "namespace");
  const where = metaText(event, "namespace");
  return typeof about === "string" && about !== "" && about !== where ? [wrong("involvedObject.namespace", about, "does not match event.namespace")] : [];
}

function leaseErrors(lease: JsonObject): readonly FieldError[] {
  const { leaseDurationSeconds: duration, leaseTransitions: transitions } = objectOr(lease["spec"]);
  return [
    ...(typeof duration === "number" && duration <= 0 ? [wrong("spec.leaseDurationSeconds", duration, "must be greater than 0")] : []),
    ...(typeof transitions === "number" && transitions < 0 ? [wrong("spec.leaseTransitions", transitions, "must be greater than or equal to 0")] : []),
  ];
}

function claimErrors(claim: JsonObject): readonly FieldError[] {
  const modes = listOr(at(claim, "spec", "accessModes"));
  const storage = at(claim, "spec", "resources", "requests", "storage");
  return [
    ...(modes.length === 0 ? [required("spec.accessModes", ": at least 1 access mode is required")] : []),
    ...(storage === undefined ? [required("spec.resources[storage]")] : []),
  ];
}

function claimChangeErrors(old: JsonObject, next: JsonObject): readonly FieldError[] {
  const fixed = ({ resources: _resources, volumeAttributesClassName: _class, volumeName, ...rest }: JsonObject, other: JsonObject): JsonObject =>
    ({ ...rest, ...(isObject(other) && other["volumeName"] === undefined ? {} : { volumeName }) });
  // A controller sets the name of the volume, once.
  if (equal(fixed(old, old), fixed(next, old))) return [];
  return [forbidden("spec", "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims")];
}
