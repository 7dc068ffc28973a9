/** Server-side apply: who else owns a field that is to be changed, and how ownership is taken. */
import { ApiError } from "../errors.ts";
import { equal, isObject, listOr, objectOr, own, put, textOr } from "../json.ts";
import type { Json } from "../json.ts";
import type { JsonObject } from "../../../domain/json.ts";

/** Fields of another manager that an application would change. */
export interface Conflict {
  readonly entry: JsonObject;
  /** As in messages: `.data.a`, `.spec.containers[name="c"].image`. */
  readonly fields: readonly string[];
  /** What the other manager keeps if its ownership is taken; undefined if nothing. */
  readonly rest: JsonObject | undefined;
}

/** Finds the conflicts of an application with the entries of other managers that applied something. */
export function findConflicts(live: JsonObject, config: JsonObject, owned: JsonObject, entries: readonly unknown[]): readonly Conflict[] {
  return entries.filter(isObject).filter((entry) => entry["operation"] === "Apply").flatMap((entry) => {
    const fields: string[] = [];
    const rest = walk(live, config, owned, objectOr(entry["fieldsV1"]), "", fields);
    return fields.length === 0 ? [] : [{ entry, fields, rest }];
  });
}

/** Collects the fields that differ, and gives what is left of `theirs` without them. */
function walk(live: unknown, config: unknown, owned: JsonObject, theirs: JsonObject, path: string, found: string[]): JsonObject | undefined {
  const rest: Json = {};
  for (const [field, inside] of Object.entries(theirs)) {
    const kept = Object.hasOwn(owned, field) && field !== "." ? walkField(live, config, field, objectOr(owned[field]), objectOr(inside), path, found) : inside;
    if (kept !== undefined) put(rest, field, kept);
  }
  return Object.keys(rest).some((field) => field !== ".") ? rest : undefined;
}

function walkField(live: unknown, config: unknown, field: string, owned: JsonObject, theirs: JsonObject, path: string, found: string[]): JsonObject | undefined {
  const was = memberOf(live, field);
  const next = memberOf(config, field);
  const here = `${path}${nameOf(field)}`;
  if (Object.keys(theirs).length > 0 && Object.keys(owned).length > 0) return walk(was, next, owned, theirs, here, found);
  // Whole maps are shared: only what is in them can be fought over.
  if (was === undefined || isObject(next) || equal(was, next)) return theirs;
  found.push(here);
  return undefined;
}

/** The member that a field of FieldsV1 names: of an object, of a list by its key, or an item of a set. */
function memberOf(value: unknown, field: string): unknown {
  if (field.startsWith("f:")) return isObject(value) ? own(value, field.slice(2)) : undefined;
  const key: unknown = JSON.parse(field.slice(2));
  return listOr(value).find((item) => (field.startsWith("k:") ? Object.entries(objectOr(key)).every(([name, wanted]) => isObject(item) && equal(own(item, name), wanted)) : equal(item, key)));
}

function nameOf(field: string): string {
  if (field.startsWith("f:")) return `.${field.slice(2)}`;
  if (field.startsWith("v:")) return `[=${field.slice(2)}]`;
  return `[${Object.entries(objectOr(JSON.parse(field.slice(2)))).map(([name, value]) => `${name}=${JSON.stringify(value)}`).join(",")}]`;
}

/** What the client is told. */
export function conflictError(conflicts: readonly Conflict[]): ApiError {
  const causes = conflicts.flatMap(({ entry, fields }) => fields.map((field) => ({ reason: "FieldManagerConflict", message: `conflict with ${JSON.stringify(textOr(entry["manager"]))}`, field })));
  const [first] = causes;
  const texts = conflicts.map(({ entry, fields }) => `conflicts with ${JSON.stringify(textOr(entry["manager"]))}:\n${fields.map((field) => `- ${field}`).join("\n")}`);
  const message = causes.length === 1 && first ? `Apply failed with 1 conflict: ${first.message}: ${first.field}` : `Apply failed with ${causes.length} conflicts: ${texts.join("\n")}`;
  return new ApiError(409, "Conflict", message, { causes });
}
