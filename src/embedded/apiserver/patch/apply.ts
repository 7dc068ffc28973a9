/** Server-side apply: what a manager applies is merged in, what it no longer applies goes, and what another one applied is not changed without force. */
import { badRequest, invalidOptions } from "../errors.ts";
import { at, equal, isObject, listOr, objectOr, own, put, textOr } from "../json.ts";
import type { Json } from "../json.ts";
import type { JsonObject } from "../../../domain/json.ts";
import { conflictError, findConflicts } from "./conflicts.ts";
import { patchSchema } from "./schema.ts";
import { strategicMergePatch } from "./strategic.ts";

/** Who applies what, when. */
export interface Application {
  /** Name of the manager (the request's fieldManager). */
  readonly manager: string;
  /** Takes fields from other managers. */
  readonly force: boolean;
  readonly subresource: string;
  readonly apiVersion: string;
  /** RFC 3339. */
  readonly time: string;
  readonly config: JsonObject;
}

/** The object (empty if there is none yet) after the manager has applied its configuration. Throws ApiError 422 without a manager, 400 for managed fields in the configuration, 409 for a conflict. */
export function applyPatch(live: JsonObject, application: Application): JsonObject {
  if (application.manager === "") throw invalidOptions("PatchOptions", { field: "fieldManager", reason: "FieldValueRequired", message: "Required value: is required for apply patch" });
  if (listOr(at(application.config, "metadata", "managedFields")).length > 0) throw badRequest("metadata.managedFields must be nil");
  const owned = ownedFields(application.config, "");
  const entries = listOr(at(live, "metadata", "managedFields"));
  const known = entries.find((entry) => isEntryOf(entry, application));
  const conflicts = findConflicts(live, application.config, owned, entries.filter((entry) => entry !== known));
  if (conflicts.length > 0 && !application.force) throw conflictError(conflicts);
  const former = objectOr(at(known, "fieldsV1"));
  const released = objectOr(release(live, former, owned, ""));
  const merged = strategicMergePatch(released, application.config);
  const { manager, subresource, apiVersion, time } = application;
  const entry = equal(former, owned) && known ? known : { manager, operation: "Apply", apiVersion, time, fieldsType: "FieldsV1", fieldsV1: owned, ...(subresource === "" ? {} : { subresource }) };
  const mine = known ? entries.map((other) => (other === known ? entry : other)) : [...entries, entry];
  const managedFields = mine.flatMap((other) => {
    const taken = conflicts.find((found) => found.entry === other);
    if (!taken) return [other];
    return taken.rest === undefined ? [] : [{ ...taken.entry, fieldsV1: taken.rest }];
  });
  return { ...merged, metadata: { ...objectOr(merged["metadata"]), managedFields } };
}

function isEntryOf(entry: unknown, { manager, subresource }: Application): boolean {
  return isObject(entry) && entry["manager"] === manager && entry["operation"] === "Apply" && textOr(entry["subresource"]) === subresource;
}

const unowned = new Set(["apiVersion", "kind", "metadata.name", "metadata.namespace"]);

/** The fields of a configuration in the notation of FieldsV1. */
function ownedFields(value: JsonObject, path: string): JsonObject {
  const fields: Json = {};
  for (const [name, member] of Object.entries(value)) {
    const here = path === "" ? name : `${path}.${name}`;
    if (unowned.has(here)) continue;
    const inside = fieldsOf(member, here);
    // Metadata that says no more than which object it is owns nothing.
    if (here !== "metadata" || Object.keys(inside).length > 0) put(fields, `f:${name}`, inside);
  }
  return fields;
}

function fieldsOf(value: unknown, path: string): JsonObject {
  if (isObject(value)) return ownedFields(value, path);
  const rule = Array.isArray(value) ? patchSchema.list(path) : undefined;
  if (!rule) return {};
  const fields: Json = {};
  for (const item of listOr(value)) put(fields, itemName(item, rule.mergeKey), isObject(item) ? { ".": {}, ...ownedFields(item, path) } : {});
  return fields;
}

function itemName(item: unknown, mergeKey: string | undefined): string {
  return mergeKey !== undefined && isObject(item) ? `k:${JSON.stringify({ [mergeKey]: own(item, mergeKey) })}` : `v:${JSON.stringify(item)}`;
}

/** The value without the fields that were owned and are no longer; undefined if nothing is left of it. */
function release(value: unknown, former: JsonObject, owned: JsonObject, path: string): unknown {
  if (Array.isArray(value)) return releaseItems(value, former, owned, path);
  if (!isObject(value)) return value;
  const result: Json = { ...value };
  for (const [field, inside] of Object.entries(former)) {
    if (!field.startsWith("f:")) continue;
    const name = field.slice(2);
    const rest = releaseMember(own(value, name), objectOr(inside), own(owned, field), path === "" ? name : `${path}.${name}`);
    if (rest === undefined) delete result[name];
    else put(result, name, rest);
  }
  return result;
}

function releaseMember(value: unknown, former: JsonObject, owned: unknown, path: string): unknown {
  if (value === undefined) return undefined;
  if (isObject(owned)) return release(value, former, owned, path);
  if (Object.keys(former).length === 0) return undefined;
  const rest = release(value, former, {}, path);
  const empty = Array.isArray(rest) ? rest.length === 0 : isObject(rest) && Object.keys(rest).length === 0;
  return empty ? undefined : rest;
}

function releaseItems(items: readonly unknown[], former: JsonObject, owned: JsonObject, path: string): readonly unknown[] {
  const rule = patchSchema.list(path);
  if (!rule) return items;
  return items.flatMap((item) => {
    const name = itemName(item, rule.mergeKey);
    const inside = own(former, name);
    if (inside === undefined) return [item];
    const still = own(owned, name);
    return still === undefined ? [] : [release(item, objectOr(inside), objectOr(still), path)];
  });
}
