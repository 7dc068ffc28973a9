/** Features that a configuration can ask for and this version does not have: the one place that knows them. A feature that comes takes its line out. */
import { asObject, objectAt, type JsonObject } from "../../domain/json.ts";

/** None at present. */
const withoutEffect: readonly string[] = [];

/** Paths of those that are set in a parsed file: they are checked, and have no effect. @param paths of all such members; default: those of this version. */
export function unusedMembers(document: unknown, paths: readonly string[] = withoutEffect): readonly string[] {
  return paths.filter((path) => isSet(at(asObject(document), path.split("."))));
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
