/** JSON merge patch (RFC 7396), sharing what the patch leaves alone. */
import { isObject, own, put } from "../json.ts";
import type { Json } from "../json.ts";

/** The target after the patch; neither is changed. */
export function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch;
  const base = isObject(target) ? target : {};
  const result: Json = { ...base };
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete result[name];
    else put(result, name, mergePatch(own(base, name), value));
  }
  return result;
}
