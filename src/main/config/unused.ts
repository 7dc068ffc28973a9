/** Features that a configuration can ask for and this version does not have: the one place that knows them. A feature that comes takes its line out. */
import { asObject, objectAt, type JsonObject } from "../../domain/json.ts";

const withoutEffect = [
  "pprof.addr",
] as const;

/** Paths of those that are set in a parsed file: they are checked, and have no effect. */
export function unusedMembers(document: unknown): readonly string[] {
  return withoutEffect.filter((path) => isSet(at(asObject(document), path.split("."))));
}

function at(document: JsonObject | undefined, path: readonly string[]): unknown {
  const parents = path.slice(0, -1);
  return parents.reduce(objectAt, document)?.[path.at(-1) ?? ""];
}

/** Not with Go's zero values, nor with an object that holds nothing else. */
function isSet(value: unknown): boolean {
  const members = asObject(value);
  if (members !== undefined) return Object.values(members).some(isSet);
  return value !== undefined && value !== null && value !== "" && value !== 0 && value !== false;
}
