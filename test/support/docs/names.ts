/** Checks names of the code in documents: metrics, keys of the configuration, variables of the environment. */
import { isPlaceholder } from "./command-line.ts";

/** What there is. */
export interface Names {
  readonly metrics: ReadonlySet<string>;
  /** Paths of sections and fields of the configuration; upper-case words in them stand for anything. */
  readonly configuration: readonly string[];
  /** Whether any code reads or sets the variable. */
  readonly isVariable: (name: string) => boolean;
}

const metricToken = /\b(?:wsmand|gitpod_ws_manager)_[a-z0-9_]*[a-z0-9_](?=(.?))/g;
const variableToken = /\bWSMAND?_[A-Z0-9_]+\b/g;

/** What is wrong with the metrics that a code names. `wsmand_…` and `wsmand_*` stand for some of that beginning. */
export function metricProblems(code: string, { metrics }: Names): readonly string[] {
  return [...code.matchAll(metricToken)].flatMap(([name, next = ""]) => {
    const known = next === "…" || next === "*" ? [...metrics].some((metric) => metric.startsWith(name)) : metrics.has(name) || metrics.has(name.replace(/_(?:bucket|sum|count)$/, ""));
    return known ? [] : [`there is no metric ${name}`];
  });
}

/** What is wrong with the variables of ours that a code names. */
export function variableProblems(code: string, { isVariable }: Names): readonly string[] {
  return [...new Set(code.match(variableToken))].filter((name) => !isVariable(name)).map((name) => `nothing reads the variable ${name}`);
}

/** What is wrong with a code that is a path of the configuration, with or without a value behind a colon. */
export function configurationProblems(code: string, { configuration }: Names): readonly string[] {
  const [path = ""] = code.split(/:\s/);
  const [top = "", ...rest] = path.split(".");
  const isPath = rest.length > 0 && path.split(".").every((name) => /^[A-Za-z][\w-]*$/.test(name)) && !/\.(?:json|yaml|yml|md|ts|js|tgz)$/.test(path);
  if (!isPath || !configuration.some((known) => known === top || known.startsWith(`${top}.`))) return [];
  return configuration.some((known) => matches(known.split("."), path.split("."))) ? [] : [`the configuration has no ${path}`];
}

function matches(known: readonly string[], path: readonly string[]): boolean {
  return known.length === path.length && known.every((name, i) => isPlaceholder(name) || name === path[i]);
}
