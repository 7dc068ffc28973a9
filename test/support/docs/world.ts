/** What this repository's documents are checked against: its command line, its scripts, its metrics, its configuration. */
import { globSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { configNodes } from "../../../scripts/docs/configuration.ts";
import { daemonMetrics } from "../../../scripts/docs/metrics.ts";
import { commandFor } from "../../../src/bench/options.ts";
import { scenarios } from "../../../src/bench/scenarios/index.ts";
import { buildProgram } from "../../../src/main/cli/program.ts";
import { noParts, testIo } from "../../unit/cli/helpers.ts";
import { CommandChecker } from "./commands.ts";
import type { DocumentChecks } from "./documents.ts";

/** The repository's folder. */
export const repository = resolve(import.meta.dirname, "../../..");

/** Makes the checks. */
export function documentChecks(): DocumentChecks {
  const bench = commandFor(scenarios, undefined);
  // The load tool looks for the scenario itself.
  bench.registeredArguments[0]?.choices([...scenarios.keys()]);
  const wsmand = buildProgram(testIo().io, noParts, () => {});
  const sources = globSync(["{src,test,scripts,deploy}/**/*.{ts,sh,yaml,json}", ".ci/*"], { cwd: repository, exclude: (path) => path.includes("src/gen") }).map((file) => readFileSync(join(repository, file), "utf8")).join("\n");
  return {
    commands: new CommandChecker({ root: repository, wsmand, handsOver: new Map([["bench", bench]]) }),
    names: { metrics: new Set(daemonMetrics().map(({ name }) => name)), configuration: [...new Set(configNodes().flatMap(({ path }) => prefixesOf(path)))], isVariable: (name) => new RegExp(`\\b${name}\\b`).test(sources) },
  };
}

/** A path and all that it stands in. */
function prefixesOf(path: string): readonly string[] {
  const names = path.split(".");
  return path === "" ? [] : names.map((_, i) => names.slice(0, i + 1).join("."));
}
