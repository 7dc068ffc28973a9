/** JSON patch (RFC 6902), sharing what the patch leaves alone. */
import { ApiError, badRequest, patchRefused } from "../errors.ts";
import { equal, isObject, own, put } from "../json.ts";
import type { Json } from "../json.ts";
import type { JsonObject } from "../../../domain/json.ts";

/** As many operations as the real API server takes. */
const maxOperations = 10_000;

type Change = (parent: unknown, key: string) => unknown;

/** The document after all operations. Throws ApiError: 400 for what is no list of operations, 413 for too many, 422 if one can not be done. */
export function jsonPatch(document: unknown, patch: unknown): unknown {
  if (!Array.isArray(patch)) throw badRequest(`error decoding patch: json: cannot unmarshal ${isObject(patch) ? "object" : "value"} into Go value of type []handlers.jsonPatchOp`);
  if (patch.length > maxOperations) throw new ApiError(413, "RequestEntityTooLarge", `The allowed maximum operations in a JSON patch is ${maxOperations}, got ${patch.length}`);
  return patch.reduce<unknown>((current, operation: unknown) => apply(current, operation), document);
}

function apply(document: unknown, operation: unknown): unknown {
  if (!isObject(operation)) throw patchRefused();
  const path = pointer(operation["path"]);
  switch (operation["op"]) {
    case "add": return change(document, path, (parent, key) => insert(parent, key, needValue(operation)));
    // A member that is not there is added, as the real API server's library has it.
    case "replace": return change(document, path, (parent, key) => replace(parent, key, needValue(operation)));
    case "remove": return change(document, path, remove);
    case "test":
      if (!equal(getOrNull(document, path), operation["value"] ?? null)) throw patchRefused();
      return document;
    case "copy": return change(document, path, (parent, key) => insert(parent, key, get(document, pointer(operation["from"]))));
    case "move": {
      const from = pointer(operation["from"]);
      const value = get(document, from);
      return change(change(document, from, remove), path, (parent, key) => insert(parent, key, value));
    }
    default: throw patchRefused();
  }
}

function needValue(operation: JsonObject): unknown {
  if (!Object.hasOwn(operation, "value")) throw patchRefused();
  return operation["value"];
}

function pointer(path: unknown): readonly string[] {
  if (typeof path !== "string") throw patchRefused();
  if (path === "") return [];
  if (!path.startsWith("/")) throw patchRefused();
  return path.slice(1).split("/").map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
}

function get(document: unknown, path: readonly string[]): unknown {
  let current = document;
  for (const key of path) {
    if (Array.isArray(current)) current = current[indexIn(current.length - 1, key)];
    else if (isObject(current) && Object.hasOwn(current, key)) current = current[key];
    else throw patchRefused();
  }
  return current;
}

/** The value at the path; null if the last member is missing, as the test operation takes it. */
function getOrNull(document: unknown, path: readonly string[]): unknown {
  const parent = get(document, path.slice(0, -1));
  const key = path.at(-1);
  if (key !== undefined && isObject(parent)) return own(parent, key) ?? null;
  return get(document, path);
}

/** An index, at most `max`. */
function indexIn(max: number, key: string): number {
  if (!/^(0|-?[1-9]\d*)$/.test(key)) throw patchRefused();
  const index = Number(key);
  const found = index < 0 ? index + max + 1 : index;
  if (found < 0 || found > max) throw patchRefused();
  return found;
}

/** The document with the parent of the path's end replaced by what `edit` makes of it. */
function change(document: unknown, path: readonly string[], edit: Change): unknown {
  const [key, ...rest] = path;
  if (key === undefined) {
    const holder = edit({ "": document }, "");
    return isObject(holder) ? own(holder, "") : undefined;
  }
  if (rest.length === 0) return edit(document, key);
  return replace(document, key, change(get(document, [key]), rest, edit));
}

function replace(parent: unknown, key: string, value: unknown): unknown {
  if (Array.isArray(parent)) return parent.with(indexIn(parent.length - 1, key), value);
  return setMember(parent, key, value);
}

function insert(parent: unknown, key: string, value: unknown): unknown {
  if (Array.isArray(parent)) return parent.toSpliced(key === "-" ? parent.length : indexIn(parent.length, key), 0, value);
  return setMember(parent, key, value);
}

function setMember(parent: unknown, key: string, value: unknown): unknown {
  if (!isObject(parent)) throw patchRefused();
  const copy: Json = { ...parent };
  put(copy, key, value);
  return copy;
}

function remove(parent: unknown, key: string): unknown {
  if (Array.isArray(parent)) return parent.toSpliced(indexIn(parent.length - 1, key), 1);
  if (!isObject(parent) || !Object.hasOwn(parent, key)) throw patchRefused();
  const copy: Json = { ...parent };
  delete copy[key];
  return copy;
}
