/** Tells whether a start request is the very same as another one, of which no more than this is kept. */
import { hash } from "node:crypto";
import { wsman } from "../../gen/proto.js";

/** Equal for equal requests: encoders write maps in any order, and so the request's maps are put in order first, in place. It stands for secrets, and so must not tell them. */
export function digestOfRequest(request: wsman.StartWorkspaceRequest): string {
  orderMaps(request);
  return hash("sha256", wsman.StartWorkspaceRequest.encode(request).finish(), "base64");
}

/** Messages are instances of their types, maps are plain objects. Decoding bounds how deep messages lie in each other. */
function orderMaps(value: unknown): void {
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return;
  if (isMap(value)) order(value);
  for (const field of Object.values(value)) orderMaps(field);
}

function isMap(value: object): value is Readonly<Record<string, unknown>> {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}

function order(map: Readonly<Record<string, unknown>>): void {
  const keys = Object.keys(map);
  if (keys.every((key, i) => i === 0 || (keys[i - 1] ?? "") < key)) return;
  for (const key of keys.toSorted()) {
    const value = map[key];
    Reflect.deleteProperty(map, key);
    // An assignment would not do for "__proto__".
    Object.defineProperty(map, key, { value, enumerable: true, configurable: true, writable: true });
  }
}
