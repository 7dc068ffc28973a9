/** What is wrong with a configuration, each problem with its path, and the error that carries all of them. */
import type { z } from "zod";
import { asObject } from "../../domain/json.ts";
import { quote } from "./describe-value.ts";

/** A problem and where it is. */
export interface Problem {
  /** `manager.timeouts.startup`; empty for the file as a whole. */
  readonly path: string;
  readonly message: string;
}

/** At most so many are told; the last one then says how many there are beyond. */
export const maxProblems = 200;

/** A configuration that can not be used. The message has one line per problem. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  /** Where the configuration came from. */
  readonly source: string;
  readonly problems: readonly Problem[];
  /** What is odd beside them: a misspelt key may be what a missing one was meant to be. */
  readonly warnings: readonly string[];

  constructor(source: string, problems: readonly Problem[], warnings: readonly string[] = []) {
    const told = bounded(problems);
    super(`${source} can not be used:\n${told.map((problem) => `  ${lineOf(problem)}`).join("\n")}`);
    this.source = source;
    this.problems = told;
    this.warnings = warnings;
  }
}

/** A problem on one line. */
export function lineOf({ path, message }: Problem): string {
  return path === "" ? message : `${path}: ${message}`;
}

function bounded(problems: readonly Problem[]): readonly Problem[] {
  if (problems.length <= maxProblems) return problems;
  return [...problems.slice(0, maxProblems), { path: "", message: `and ${problems.length - maxProblems} more problems` }];
}

/** A path as one reads it: names joined by dots, others in brackets. */
export function pathOf(keys: readonly PropertyKey[]): string {
  let path = "";
  for (const key of keys) {
    if (typeof key === "number") path += `[${key}]`;
    else if (/^[\w-]{1,64}$/.test(String(key))) path += path === "" ? String(key) : `.${String(key)}`;
    else path += `[${quote(String(key))}]`;
  }
  return path;
}

/** Problems of zod's issues, without those about unknown keys. */
export function problemsOf(issues: readonly z.core.$ZodIssue[], document: unknown): Problem[] {
  const told = issues.filter((issue) => issue.code !== "unrecognized_keys");
  return told.map((issue) => ({ path: pathOf(issue.path), message: issue.code === "custom" ? issue.message : `must be an object, got ${kindAt(document, issue.path)}` }));
}

/** Only the kind of the value: where an object should be, a secret may stand. */
function kindAt(document: unknown, path: readonly PropertyKey[]): string {
  let value = document;
  for (const key of path) value = asObject(value)?.[String(key)];
  return kindOf(value);
}

/** Words for the kind of a value, for where its text could be a secret. */
export function kindOf(value: unknown): string {
  if (value === null || value === undefined) return "nothing";
  return Array.isArray(value) ? "a list" : `a ${typeof value}`;
}
