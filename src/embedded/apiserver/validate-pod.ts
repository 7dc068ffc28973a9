/** What the API server refuses in pods, with its words. */
import type { JsonObject } from "../../domain/json.ts";
import { parseQuantity } from "../../domain/quantity.ts";
import { forbidden, required, unsupported, wrong } from "./errors.ts";
import type { FieldError } from "./errors.ts";
import { at, equal, listOr, objectOr, textOr } from "./json.ts";
import { nameProblem } from "./names.ts";

/** What is wrong with a pod. */
export function podErrors(object: JsonObject): readonly FieldError[] {
  const spec = objectOr(object["spec"]);
  const volumes = new Set(listOr(spec["volumes"]).map((volume) => at(volume, "name")));
  const names = new Set<string>();
  const containers = ["initContainers", "containers"].flatMap((list) => listOr(spec[list]).flatMap((container, i) => containerErrors(objectOr(container), `spec.${list}[${i}]`, names, volumes)));
  return [
    ...(listOr(spec["containers"]).length === 0 ? [required("spec.containers")] : []),
    ...containers,
    ...choice("spec.restartPolicy", spec["restartPolicy"], ["Always", "OnFailure", "Never"]),
    ...choice("spec.dnsPolicy", spec["dnsPolicy"], ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"]),
    ...deadlineErrors(spec["activeDeadlineSeconds"]),
  ];
}

function choice(field: string, value: unknown, values: readonly string[]): readonly FieldError[] {
  return value === undefined || (typeof value === "string" && values.includes(value)) ? [] : [unsupported(field, value, values)];
}

function deadlineErrors(seconds: unknown): readonly FieldError[] {
  if (seconds === undefined || (typeof seconds === "number" && seconds >= 1 && seconds <= 2_147_483_647)) return [];
  return [wrong("spec.activeDeadlineSeconds", seconds, "must be between 1 and 2147483647, inclusive")];
}

function containerErrors(container: JsonObject, path: string, names: Set<string>, volumes: ReadonlySet<unknown>): readonly FieldError[] {
  const name = textOr(container["name"]);
  const mounts = listOr(container["volumeMounts"]).flatMap((mount, i): readonly FieldError[] => {
    const volume = at(mount, "name");
    return volumes.has(volume) ? [] : [{ field: `${path}.volumeMounts[${i}].name`, reason: "FieldValueNotFound", message: `Not found: ${JSON.stringify(volume)}` }];
  });
  const errors = [
    ...containerNameErrors(name, path, names),
    ...(textOr(container["image"]) === "" ? [required(`${path}.image`)] : []),
    ...choice(`${path}.imagePullPolicy`, container["imagePullPolicy"], ["Always", "IfNotPresent", "Never"]),
    ...mounts,
    ...limitErrors(objectOr(container["resources"]), `${path}.resources`),
  ];
  names.add(name);
  return errors;
}

function containerNameErrors(name: string, path: string, names: ReadonlySet<string>): readonly FieldError[] {
  if (name === "") return [required(`${path}.name`)];
  const problem = name.includes(".") ? "must not contain dots" : nameProblem("label", name);
  if (problem !== undefined) return [wrong(`${path}.name`, name, problem)];
  return names.has(name) ? [{ field: `${path}.name`, reason: "FieldValueDuplicate", message: `Duplicate value: ${JSON.stringify(name)}` }] : [];
}

function limitErrors(resources: JsonObject, path: string): readonly FieldError[] {
  const limits = objectOr(resources["limits"]);
  return Object.entries(objectOr(resources["requests"])).flatMap(([name, request]) => {
    const limit = textOr(limits[name]);
    const above = limit !== "" && (parseQuantity(textOr(request)) ?? 0) > (parseQuantity(limit) ?? 0);
    return above ? [wrong(`${path}.requests`, request, `must be less than or equal to ${name} limit of ${limit}`)] : [];
  });
}

const podChange = "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

/** What is wrong with a change of a pod's spec. */
export function podChangeErrors(old: JsonObject, next: JsonObject): readonly FieldError[] {
  for (const list of ["containers", "initContainers"]) {
    const names = (spec: JsonObject): readonly unknown[] => listOr(spec[list]).map((container) => objectOr(container)["name"]);
    if (!equal(names(old), names(next))) return [forbidden(`spec.${list}`, "pod updates may not add or remove containers")];
  }
  const before = old["activeDeadlineSeconds"];
  const after = next["activeDeadlineSeconds"];
  if (typeof before === "number" && after === undefined) return [wrong("spec.activeDeadlineSeconds", null, "must not update from a positive integer to nil value")];
  if (typeof before === "number" && typeof after === "number" && after > before) return [wrong("spec.activeDeadlineSeconds", after, "must be less than or equal to previous value")];
  const kept = listOr(old["tolerations"]).every((toleration) => listOr(next["tolerations"]).some((other) => equal(toleration, other)));
  return kept && equal(fixedPart(old), fixedPart(next)) ? [] : [forbidden("spec", podChange)];
}

/** The part of a pod's spec that can not be changed. */
function fixedPart(spec: JsonObject): JsonObject {
  const { activeDeadlineSeconds: _deadline, tolerations: _tolerations, ...rest } = spec;
  const images = (list: unknown): unknown => listOr(list).map((container) => ({ ...objectOr(container), image: "" }));
  return { ...rest, containers: images(spec["containers"]), initContainers: images(spec["initContainers"]) };
}
