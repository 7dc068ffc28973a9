/** Makes of parsed JSON or YAML what the schema can be trusted with: plain, bounded, without null and without names that reach prototypes. */
import { pathOf, type Problem } from "./problems.ts";

/** No configuration is nested more deeply, or has more members. */
const maxDepth = 16;
const maxMembers = 200_000;

/** The value and what was wrong with it. */
export interface Normalized {
  readonly value: unknown;
  readonly problems: readonly Problem[];
}

/** A deep copy in which members that are null are missing, as they are to Go. */
export function normalize(value: unknown): Normalized {
  const problems: Problem[] = [];
  const budget = { members: maxMembers };
  const copy = copyOf(value, [], { problems, budget });
  if (budget.members < 0) return { value: {}, problems: [{ path: "", message: `has more than ${maxMembers} members` }] };
  return { value: copy, problems };
}

interface Context {
  readonly problems: Problem[];
  readonly budget: { members: number };
}

function copyOf(value: unknown, path: readonly (string | number)[], context: Context): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (path.length >= maxDepth) {
    context.problems.push({ path: pathOf(path), message: "is nested too deeply" });
    return undefined;
  }
  if (Array.isArray(value)) return copyList(value, path, context);
  return copyMembers(value, path, context);
}

function copyList(list: readonly unknown[], path: readonly (string | number)[], context: Context): unknown[] {
  context.budget.members -= list.length;
  if (context.budget.members < 0) return [];
  return list.map((item, i) => copyOf(item, [...path, i], context));
}

function copyMembers(object: object, path: readonly (string | number)[], context: Context): Record<string, unknown> {
  const copy: Record<string, unknown> = {};
  for (const [key, member] of Object.entries(object)) {
    if (--context.budget.members < 0) break;
    if (key === "__proto__") context.problems.push({ path: pathOf([...path, key]), message: "is not a name that can be used" });
    else if (member !== null) copy[key] = copyOf(member, [...path, key], context);
  }
  return copy;
}
