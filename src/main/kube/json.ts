/** Small helpers to look into JSON of which nothing is known. */

/** Whether the value is an object with members (not null, not an array). */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Member of an object if that is a non-empty string, else undefined. Inherited members do not count. */
export function stringMember(value: unknown, key: string): string | undefined {
  const member = isRecord(value) && Object.hasOwn(value, key) ? value[key] : undefined;
  return typeof member === "string" && member !== "" ? member : undefined;
}

/** Member of an object, undefined if it has none of its own. */
export function member(value: unknown, key: string): unknown {
  return isRecord(value) && Object.hasOwn(value, key) ? value[key] : undefined;
}
