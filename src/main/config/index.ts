/** The configuration: file, defaults, validation, and the frozen result (spec: config). */
import { availableParallelism } from "node:os";
import type { z } from "zod";
import { asObject, objectAt, type JsonObject } from "../../domain/json.ts";
import type { DeriveConfig } from "../../domain/messages.ts";
import type { Timeouts } from "../../domain/timeouts.ts";
import { classProblems } from "./classes.ts";
import { readEnvironment } from "./env.ts";
import { deepFreeze } from "./freeze.ts";
import { normalize } from "./normalize.ts";
import { ConfigError, kindOf, lineOf, pathOf, problemsOf, type Problem } from "./problems.ts";
import { profilingWarnings } from "./profiling.ts";
import { configSchema, unknownMembers, type SchemaDefaults } from "./schema.ts";
import { readDocument } from "./source.ts";
import type { Config } from "./types.ts";
import { unusedMembers } from "./unused.ts";
import { renderedUrlOddity } from "./url-template.ts";

export { ConfigError } from "./problems.ts";
export type { Problem } from "./problems.ts";
export type { Config } from "./types.ts";

/** A configuration that can be used, and what is odd about it. */
export interface LoadedConfig {
  readonly config: Config;
  /** One per line: members that nothing reads, and the like. */
  readonly warnings: readonly string[];
  /** Paths of what is set and has no effect in this version. */
  readonly unused: readonly string[];
}

/** What stands in for the machine and its environment. */
export type LoadOptions = Partial<SchemaDefaults> & {
  /** The configuration is for another machine than this: pod templates that can not be read here are warned of, and are no problems. */
  readonly elsewhere?: boolean;
};

/** Warnings beyond are counted only. */
const maxWarnings = 100;

/**
 * Reads, completes and validates a configuration file, JSON or YAML.
 * @throws ConfigError with every problem and its path.
 */
export async function load(path: string, options: LoadOptions = {}): Promise<LoadedConfig> {
  const document = await readDocument(path);
  if ("problem" in document) throw new ConfigError(path, [{ path: "", message: document.problem }]);
  return parseConfig(document.value, path, options);
}

/**
 * Completes and validates a configuration that was parsed already.
 * @param source names it in errors.
 * @throws ConfigError with every problem and its path.
 */
export async function parseConfig(document: unknown, source: string, options: LoadOptions = {}): Promise<LoadedConfig> {
  const { value, problems } = normalize(document);
  if (isNoObject(value)) throw new ConfigError(source, [{ path: "", message: `must be an object, got ${kindOf(value)}` }]);
  const schema = configSchema({ cores: options.cores ?? availableParallelism(), kubeStage: options.kubeStage ?? readEnvironment().kubeStage });
  const unused = unusedMembers(value);
  const unknown: string[] = [];
  const result = parseKnown(schema, value, unknown);
  const { wrong, odd } = await classFindings(value, options);
  const all = [...problems, ...problemsOf(result.error?.issues ?? [], value), ...wrong];
  const warnings = [...warningsOf(unknown), ...odd];
  if (!result.success || all.length > 0) throw new ConfigError(source, all, warnings);
  return { config: deepFreeze(result.data), warnings: [...warnings, ...methodWarnings(result.data), ...urlWarnings(result.data), ...profilingWarnings(result.data)], unused };
}

/** What is wrong with the classes, and what is only to be warned of. */
async function classFindings(value: unknown, { elsewhere = false }: LoadOptions): Promise<{ readonly wrong: readonly Problem[]; readonly odd: readonly string[] }> {
  const { problems, unread } = await classProblems(value);
  return elsewhere ? { wrong: problems, odd: unread.slice(0, maxWarnings).map(lineOf) } : { wrong: [...problems, ...unread], odd: [] };
}

/** An empty file counts as an empty object: what is missing is told by name. */
function isNoObject(value: unknown): boolean {
  return value !== undefined && value !== null && value !== "" && asObject(value) === undefined;
}

/** Parses; members that the schema does not know are taken out of the value, and told. Their number falls with each round, so this ends. */
function parseKnown(schema: z.ZodType<Config>, value: unknown, unknown: string[]): z.ZodSafeParseResult<Config> {
  for (;;) {
    const result = schema.safeParse(value);
    const members = unknownMembers(result.error?.issues ?? []);
    if (members.length === 0) return result;
    for (const { path, keys } of members) {
      const parent = at(value, path);
      for (const key of keys) {
        unknown.push(pathOf([...path, key]));
        if (parent) Reflect.deleteProperty(parent, key);
      }
    }
  }
}

function at(value: unknown, path: readonly PropertyKey[]): JsonObject | undefined {
  let found = asObject(value);
  for (const key of path) found = objectAt(found, String(key));
  return found;
}

function warningsOf(unknown: readonly string[]): readonly string[] {
  const told = unknown.slice(0, maxWarnings).map((path) => `${path}: unknown key, ignored`);
  return unknown.length > maxWarnings ? [...told, `and ${unknown.length - maxWarnings} more unknown keys`] : told;
}

function methodWarnings(config: Config): readonly string[] {
  const odd = config.rpcServer.rateLimits.filter(({ method }) => !/^\/[\w.]+\/\w+$/.test(method));
  return odd.map(({ method }) => `${pathOf(["rpcServer", "ratelimits", method])}: no method's full name, such as "/wsman.WorkspaceManager/MarkActive", so it limits nothing`);
}

/** Go's daemon takes such a file, so it is no problem; but nobody finds a workspace at such a URL. */
function urlWarnings({ manager }: Config): readonly string[] {
  return (["urlTemplate", "portUrlTemplate"] as const).flatMap((key) => {
    const oddity = manager[key] === undefined ? undefined : renderedUrlOddity(manager[key], manager.hostURL);
    return oddity === undefined ? [] : [`manager.${key}: ${oddity}`];
  });
}

/** What the derivation of statuses needs of it. */
export function toDeriveConfig(config: Config): DeriveConfig {
  return { regularWorkspaceTimeoutMs: config.manager.timeouts.regularWorkspace, ...(config.manager.eventTraceLog && { trace: true }) };
}

/** The limits of a workspace's life, milliseconds. */
export function toTimeouts(config: Config): Timeouts {
  return config.manager.timeouts;
}
