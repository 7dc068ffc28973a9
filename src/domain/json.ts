/** Reading JSON of unknown shape: what has the wrong type counts as missing. */

/** A JSON object whose members nobody has checked. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** The value, if it is a JSON object (not an array, not null). */
export function asObject(value: unknown): JsonObject | undefined {
  return isObject(value) ? value : undefined;
}

/** The object that a document in UTF-8 holds; undefined if it holds something else. Throws SyntaxError if it is no JSON, whose message may quote it. */
export function parseObject(bytes: Uint8Array): JsonObject | undefined {
  return asObject(JSON.parse(new TextDecoder().decode(bytes)));
}

/** The same for whom a document that is no JSON tells nothing: undefined then, too. */
export function readObject(bytes: Uint8Array): JsonObject | undefined {
  try {
    return parseObject(bytes);
  } catch {
    return undefined;
  }
}

/** The object that a text holds; undefined if it holds something else, or is no JSON. */
export function objectIn(text: string): JsonObject | undefined {
  try {
    return asObject(JSON.parse(text));
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A member that is an object; undefined otherwise. */
export function objectAt(parent: JsonObject | undefined, key: string): JsonObject | undefined {
  return parent === undefined ? undefined : asObject(parent[key]);
}

/** The objects in a member that is a list; empty otherwise. */
export function objectsAt(parent: JsonObject | undefined, key: string): readonly JsonObject[] {
  const list = parent?.[key];
  return Array.isArray(list) ? list.filter(isObject) : [];
}

/**
 * A member that is a string. Lone surrogates, which UTF-8 can not express and other readers of our messages would choke on, are replaced
 * by U+FFFD.
 */
export function stringAt(parent: JsonObject | undefined, key: string): string | undefined {
  const value = parent?.[key];
  if (typeof value !== "string") return undefined;
  return value.isWellFormed() ? value : value.toWellFormed();
}

/** A member that is a string, as {@link stringAt} reads it; empty otherwise. */
export function textAt(parent: JsonObject | undefined, key: string): string {
  return stringAt(parent, key) ?? "";
}

/** A member that is a whole number; undefined otherwise. */
export function integerAt(parent: JsonObject | undefined, key: string): number | undefined {
  const value = parent?.[key];
  return typeof value === "number" && Number.isSafeInteger(value) ? value : undefined;
}
