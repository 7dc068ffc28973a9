/** Strategic merge patch: lists merge by key, with the directives $patch, $retainKeys, $setElementOrder and $deleteFromPrimitiveList. */
import { ApiError, badRequest } from "../errors.ts";
import { equal, isObject, listOr, own, put } from "../json.ts";
import type { Json } from "../json.ts";
import type { JsonObject } from "../../../domain/json.ts";
import { patchSchema } from "./schema.ts";

const order = "$setElementOrder/";
/** A path that no rule knows. */
const nowhere = "$";
const deletion = "$deleteFromPrimitiveList/";

/** The object after the patch; neither is changed. Throws ApiError 400 for a patch that makes no sense. */
export function strategicMergePatch(target: JsonObject, patch: JsonObject): JsonObject {
  return mergeObject(target, patch, "");
}

function join(path: string, name: string): string {
  return path === "" ? name : `${path}.${name}`;
}

function mergeObject(target: JsonObject, patch: JsonObject, path: string): JsonObject {
  const directive = patch["$patch"];
  if (directive === "replace") return fresh(patch);
  if (directive === "delete") return {};
  if (directive !== undefined && directive !== "merge") throw badRequest(`Unknown patch type found: ${JSON.stringify(directive)}`);
  const base = retain(target, patch["$retainKeys"]);
  const result: Json = { ...base };
  for (const [name, value] of Object.entries(patch)) {
    if (name.startsWith("$")) continue;
    if (value === null) delete result[name];
    else put(result, name, mergeMember(own(base, name), value, patch, name, join(path, name)));
  }
  applyListDirectives(result, base, patch, path);
  return result;
}

function retain(target: JsonObject, keys: unknown): JsonObject {
  if (keys === undefined) return target;
  if (!Array.isArray(keys)) throw badRequest("invalid patch format of $retainKeys");
  const kept: Json = {};
  for (const [name, value] of Object.entries(target)) if (keys.includes(name)) put(kept, name, value);
  return kept;
}

function mergeMember(old: unknown, value: unknown, patch: JsonObject, name: string, path: string): unknown {
  if (isObject(value)) return mergeObject(isObject(old) ? old : {}, value, path);
  if (!Array.isArray(value)) return value;
  const rule = patchSchema.list(path);
  if (!rule) return value.map(clean);
  const base = listOr(old);
  if (rule.mergeKey === undefined) return ordered([...new Set(base.concat(value))], value, base, undefined);
  const merged = mergeList(base, value, rule.mergeKey, path);
  return Object.hasOwn(patch, order + name) ? merged : ordered(merged, value, base, rule.mergeKey);
}

/** Order and removals of lists that the patch names beside the lists themselves. */
function applyListDirectives(result: Json, base: JsonObject, patch: JsonObject, path: string): void {
  for (const [directive, value] of Object.entries(patch)) {
    if (directive.startsWith(deletion)) {
      const name = directive.slice(deletion.length);
      const gone = listOr(value);
      if (Array.isArray(result[name])) put(result, name, listOr(result[name]).filter((item) => !gone.includes(item)));
    }
  }
  for (const [directive, value] of Object.entries(patch)) {
    if (!directive.startsWith(order)) continue;
    const name = directive.slice(order.length);
    const current = own(result, name);
    if (Array.isArray(current) && Array.isArray(value)) put(result, name, ordered(current, value, listOr(own(base, name)), patchSchema.list(join(path, name))?.mergeKey));
  }
}

function mergeList(base: readonly unknown[], patch: readonly unknown[], key: string, path: string): readonly unknown[] {
  const items = patch.map((item) => {
    if (!isObject(item)) throw badRequest(`cannot merge a list of objects with other values at ${path}`);
    return item;
  });
  if (items.some((item) => item["$patch"] === "replace")) return items.filter((item) => item["$patch"] === undefined).map(clean);
  const result = [...base];
  for (const item of items) mergeItem(result, item, key, path);
  return result;
}

function mergeItem(result: unknown[], item: JsonObject, key: string, path: string): void {
  if (!Object.hasOwn(item, key)) throw new ApiError(500, "", `map: map[${Object.entries(item).map(([name, value]) => `${name}:${String(value)}`).join(" ")}] does not contain declared merge key: ${key}`);
  const index = result.findIndex((known) => isObject(known) && equal(known[key], item[key]));
  if (item["$patch"] === "delete") {
    if (index >= 0) result.splice(index, 1);
    return;
  }
  const known = result[index];
  if (isObject(known)) result[index] = mergeObject(known, item, path);
  else result.push(mergeObject({}, item, path));
}

/** The items that the order names in its order, the others where they stood in relation to them. */
function ordered(items: readonly unknown[], asked: readonly unknown[], server: readonly unknown[], key: string | undefined): readonly unknown[] {
  const identity = (item: unknown): unknown => (key !== undefined && isObject(item) ? own(item, key) : item);
  const ranks = new Map(asked.map((item, i) => [identity(item), i]));
  const places = new Map(server.map((item, i) => [identity(item), i]));
  const rank = (item: unknown): number => ranks.get(identity(item)) ?? -1;
  const place = (item: unknown): number => places.get(identity(item)) ?? -1;
  const named = items.filter((item) => rank(item) >= 0).sort((a, b) => rank(a) - rank(b));
  const others = items.filter((item) => rank(item) < 0);
  const result: unknown[] = [];
  let next = 0;
  for (const other of others) {
    while (next < named.length && !(place(named[next]) > place(other))) result.push(named[next++]);
    result.push(other);
  }
  return [...result, ...named.slice(next)];
}

/** A value that a patch brings in as a whole: without directives and without members that are null. */
function clean(value: unknown): unknown {
  if (Array.isArray(value)) return value.map((item: unknown) => clean(item));
  return isObject(value) ? fresh(value) : value;
}

function fresh(patch: JsonObject): JsonObject {
  return mergeObject({}, without$(patch), nowhere);
}

function without$(patch: JsonObject): JsonObject {
  const { $patch: _directive, ...rest } = patch;
  return rest;
}
