/** Checks that commands in documents would run: scripts of npm, wsmand's commands and flags, values of the chart, files of the repository. */
import { execFileSync } from "node:child_process";
import { existsSync, globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import { parse } from "yaml";
import { asObject, objectAt, stringAt } from "../../../src/domain/json.ts";
import { commandLineProblems, isPlaceholder, type Place } from "./command-line.ts";
import { shellCommands } from "./shell.ts";

/** What commands are checked against. */
export interface CommandWorld {
  /** Folder of the repository. */
  readonly root: string;
  /** wsmand's command line. */
  readonly wsmand: Command;
  /** Its commands that have a command line of their own, by name. */
  readonly handsOver: ReadonlyMap<string, Command>;
}

/** Programs that run another one: the words up to it, by name. */
const wrappers = new Map<string, (words: readonly string[]) => number>([
  ["exec", () => 1], ["sudo", () => 1], ["time", () => 1], ["env", () => 1], ["timeout", (words) => words.findIndex((word, i) => i > 0 && /^\d/.test(word)) + 1],
]);

const entries = /^(?:\.\/)?(?:dist\/main\/index\.js|src\/main\/index\.ts)$/;
const inRepository = /^(?:\.\/)?(?:\.ci|deploy|docs|examples|proto|scripts|src|test)\/[^\s:]*$/;

/** A file of the sources, as pages on the code name it: `kube/reflector.ts`. */
const isSource = /^[a-z][\w-]*(?:\/[\w-]+)+\.ts$/;

/** Checks commands. */
export class CommandChecker {
  readonly #world: CommandWorld;
  readonly #scripts: ReadonlyMap<string, string>;
  readonly #flags = new Map<string, ReadonlySet<string> | undefined>();

  constructor(world: CommandWorld) {
    this.#world = world;
    const manifest: unknown = JSON.parse(readFileSync(join(world.root, "package.json"), "utf8"));
    const scripts = objectAt(asObject(manifest), "scripts") ?? {};
    this.#scripts = new Map(Object.keys(scripts).map((name) => [name, stringAt(scripts, name) ?? ""]));
  }

  /** What is wrong with the commands in a text. */
  problems(text: string, place: Place): readonly string[] {
    return shellCommands(text).flatMap(({ words, reads }) => [...this.#ofWords(words, place), ...reads.flatMap((file) => this.pathProblems(file))]);
  }

  /** What is wrong with a word that looks like a file of the repository. */
  pathProblems(word: string): readonly string[] {
    if (isPlaceholder(word)) return [];
    if (!inRepository.test(word)) return isSource.test(word) && !["", "src", "src/main"].some((folder) => existsSync(join(this.#world.root, folder, word))) ? [`there is no ${word}`] : [];
    // Of a part that is not in this checkout nothing can be said.
    if (!existsSync(join(this.#world.root, word.replace(/^\.\//, "").split("/")[0] ?? ""))) return [];
    const found = /[*{]/.test(word) ? globSync(word, { cwd: this.#world.root }).length > 0 : existsSync(join(this.#world.root, word));
    // What a build or an example makes need not be there.
    return found || word.startsWith("src/gen/") ? [] : [`there is no ${word}`];
  }

  #ofWords(words: readonly string[], place: Place): readonly string[] {
    const [program = "", ...args] = words;
    const skipped = wrappers.get(program)?.(words);
    if (skipped !== undefined) return this.#ofWords(words.slice(Math.max(1, skipped)).filter((word) => !/^[A-Z_]+=/.test(word)), place);
    const paths = args.flatMap((word) => this.pathProblems(word));
    if (program === "npm") return [...paths, ...this.#npm(args, place)];
    if (program === "wsmand") return [...paths, ...this.#wsmand(args, place)];
    if (program === "node" || program.endsWith("/node")) return [...paths, ...this.#node(args, place)];
    if (program === "helm") return [...paths, ...this.#helm(args)];
    return [...this.pathProblems(program), ...paths];
  }

  #wsmand(args: readonly string[], place: Place): readonly string[] {
    return commandLineProblems(this.#world.wsmand, args, place, this.#world.handsOver);
  }

  #npm(args: readonly string[], place: Place): readonly string[] {
    const { name, given } = scriptOf(args);
    if (name === undefined || isPlaceholder(name)) return [];
    const script = this.#scripts.get(name);
    if (script === undefined) return [`package.json has no script ${name}`];
    const last = shellCommands(script).at(-1)?.words.filter((word) => word !== "exec") ?? [];
    const [program, file = ""] = last;
    return program === "node" && !file.startsWith("-") ? this.#node([...last.slice(1), ...given], place) : [];
  }

  #node(words: readonly string[], place: Place): readonly string[] {
    const at = words.findIndex((word) => !word.startsWith("-"));
    const [file = "", ...args] = at < 0 ? [] : words.slice(at);
    if (entries.test(file)) return this.#wsmand(args, place);
    const known = this.#flagsOf(file);
    return known === undefined ? [] : args.filter((word) => /^--?[a-z]/.test(word)).map((word) => word.split("=")[0] ?? "").filter((flag) => !known.has(flag)).map((flag) => `${file} has no flag ${flag}`);
  }

  /** The flags of a script that has them told by commander; undefined for all else, which its --help could have do its work. */
  #flagsOf(file: string): ReadonlySet<string> | undefined {
    const path = join(this.#world.root, file);
    if (!this.#flags.has(file)) this.#flags.set(file, file.startsWith("scripts/") && isCommanders(path) ? flagsIn(execFileSync(process.execPath, [path, "--help"], { encoding: "utf8", timeout: 30_000 })) : undefined);
    return this.#flags.get(file);
  }

  /** The chart's folder, and the keys that are set. */
  #helm(args: readonly string[]): readonly string[] {
    const chart = args.find((word) => word.startsWith("deploy/"));
    if (chart === undefined || !existsSync(join(this.#world.root, chart, "values.yaml"))) return [];
    const values: unknown = parse(readFileSync(join(this.#world.root, chart, "values.yaml"), "utf8"));
    const settings = args.flatMap((word, i) => (/^--set(?:-string|-file|-json|-literal)?$/.test(args[i - 1] ?? "") ? [word] : (/^--set(?:-string|-file|-json|-literal)?=(.*)$/s.exec(word)?.slice(1) ?? [])));
    const keys = settings.flatMap((setting) => setting.split(/(?<!\\),/)).map((setting) => setting.split("=")[0] ?? "").filter((key) => !isPlaceholder(key));
    return keys.filter((key) => !hasKey(values, key)).map((key) => `${chart} has no value ${key}`);
  }
}

/** The script that a command of npm runs, and what it is given; no name for commands that run none of package.json's own. */
function scriptOf([verb = "", ...rest]: readonly string[]): { readonly name: string | undefined; readonly given: readonly string[] } {
  const at = rest.indexOf("--");
  const [own, given] = at < 0 ? [rest, []] : [rest.slice(0, at), rest.slice(at + 1)];
  if (verb === "run" || verb === "run-script") return { name: own.find((word) => !word.startsWith("-")), given };
  return { name: verb === "start" || verb === "test" ? verb : undefined, given };
}

function isCommanders(file: string): boolean {
  return file.endsWith(".ts") && existsSync(file) && readFileSync(file, "utf8").includes('from "commander"');
}

function flagsIn(help: string): ReadonlySet<string> {
  return new Set(help.match(/(?<![\w-])--?[a-z][\w-]*/g) ?? []);
}

/** Whether a chart's values have a key; below an empty object, and below nothing, anything may stand. */
function hasKey(values: unknown, key: string): boolean {
  let at = values;
  for (const name of key.split(/(?<!\\)\./).map((part) => part.replaceAll("\\.", ".").replace(/\[\d+\]$/, ""))) {
    const object = asObject(at);
    if (at === null || Array.isArray(at) || (object && Object.keys(object).length === 0)) return true;
    if (!object || !(name in object)) return false;
    at = object[name];
  }
  return true;
}
