/** Reads of JSON of unknown shape: a member of the wrong type counts as missing, so that no object can make the cluster fail. */

/** A JSON object of which nothing is known. */
export type Json = Readonly<Record<string, unknown>>;

/** Whether a value is a JSON object (not an array, not null). */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The value as an object, empty if it is none. */
export function record(value: unknown): Json {
  return isRecord(value) ? value : {};
}

/** The objects in a list; everything else in it is left out. */
export function records(value: unknown): readonly Json[] {
  return Array.isArray(value) ? value.filter(isRecord) : [];
}

/** The value as a text, or the fallback. */
export function text(value: unknown, fallback = ""): string {
  return typeof value === "string" ? value : fallback;
}

/** The value as a finite number, or the fallback. */
export function number(value: unknown, fallback: number): number {
  return typeof value === "number" && Number.isFinite(value) ? value : fallback;
}

/** The texts in a list; everything else in it is left out. */
export function texts(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];
}

/** A member of its own (never one of the prototype) as a text. */
export function ownText(object: unknown, key: string): string | undefined {
  if (!isRecord(object) || !Object.hasOwn(object, key)) return undefined;
  const value = object[key];
  return typeof value === "string" ? value : undefined;
}

/** A timestamp as Kubernetes writes it: RFC 3339, whole seconds, UTC. */
export function timestamp(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}
