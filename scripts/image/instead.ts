/** Files of libraries that the image has in a shorter form than their authors': what is left out of them is never used. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse, type Program } from "acorn";
import { asObject, parseObject } from "../../src/domain/json.ts";
import { shortened } from "./shorten.ts";

/** By their paths below the root: what they are made into. */
const instead: Readonly<Record<string, (text: string) => string>> = {
  // Messages in 60 languages, of which wsmand only ever speaks English.
  "node_modules/zod/v4/locales/index.js": () => 'export { default as en } from "./en.js";\n',
  // A URL of its own with all of Unicode's rules, for a node-fetch on a Node.js that has none.
  "node_modules/whatwg-url/lib/public-api.js": () => "exports.URL = URL;\n",
  // Names of before the conventions were stable, which no library uses any more.
  "node_modules/@opentelemetry/semantic-conventions/dist/index.cjs": () => 'Object.assign(exports, require("./stable_attributes.cjs"), require("./stable_metrics.cjs"), require("./stable_events.cjs"));\n',
  // What browsers have, tests, and caches.
  "node_modules/undici/index.js": (text) => withoutModules(text, /^\.\/lib\/(?:mock|interceptor|cache|web)\//),
  // Metrics and logs: only traces are sent.
  "node_modules/@opentelemetry/otlp-transformer/build/src/index.js": (text) => withoutModules(text, /^\.\/(?:metrics|logs)(?:\/|$)/),
  // A protocol that S3 does not speak.
  "node_modules/@aws-sdk/core/dist-cjs/submodules/protocols/index.js": (text) => withoutModules(text, /^@smithy\/core\/cbor$/),
  // Types of files that are uploaded, of which there are none.
  "node_modules/mime/index.js": () => 'module.exports = require("./lite.js");\n',
  // Streams as Node.js has them, in place of their copy for those that have others.
  "node_modules/readable-stream/readable.js": () => 'module.exports = require("stream");\n',
};

/** The members of a package.json that Node.js reads, libraries that tell their own version, and scanners. */
const membersKept = ["name", "version", "license", "type", "main", "exports", "imports"] as const;

/** Files that are not what their authors made. */
export function changedFiles(): readonly string[] {
  return Object.keys(instead);
}

/** A program of a library, or of the build, without comments, as the image has it. */
export function programOf(root: string, file: string): string {
  const text = readFileSync(join(root, file), "utf8");
  return shortened(instead[file]?.(text) ?? text);
}

/** A JSON file of a library as the image has it: a package.json without what is for those who work on the library, others without needless space. */
export function shortJson(root: string, file: string): string {
  const text = readFileSync(join(root, file), "utf8");
  const manifest = file.endsWith("/package.json") ? parseObject(Buffer.from(text)) : undefined;
  const value: unknown = manifest ? Object.fromEntries(membersKept.flatMap((key) => (manifest[key] === undefined ? [] : [[key, forNode(manifest[key])]]))) : JSON.parse(text);
  return `${JSON.stringify(value)}\n`;
}

/** Ways of loading a package that Node.js does not take. */
const othersWays: ReadonlySet<string> = new Set(["types", "browser", "worker", "react-native", "deno", "bun", "edge-light", "workerd", "electron"]);

/** A member, or what is in it, without the ways that Node.js does not take. */
function forNode(value: unknown): unknown {
  const object = asObject(value);
  if (object === undefined) return value;
  return Object.fromEntries(Object.entries(object).filter(([key]) => !othersWays.has(key)).map(([key, one]) => [key, forNode(one)]));
}

/** A CommonJS program without the statements that load certain modules, and without those that need what was loaded so. */
export function withoutModules(text: string, modules: RegExp): string {
  let kept = parse(text, { ecmaVersion: "latest", sourceType: "script" }).body.map((statement) => ({ text: text.slice(statement.start, statement.end), names: new Set(namesIn(statement)), declared: declaredBy(statement) }));
  let dropped = kept.filter((statement) => [...statement.text.matchAll(/require\(["']([^"']+)["']\)/g)].some(([, path = ""]) => modules.test(path)));
  while (dropped.length > 0) {
    const gone = new Set(dropped);
    const names = new Set(dropped.flatMap(({ declared }) => declared));
    kept = kept.filter((statement) => !gone.has(statement));
    dropped = kept.filter((statement) => [...statement.names].some((name) => names.has(name)));
  }
  return `${kept.map((statement) => statement.text).join("\n")}\n`;
}

function declaredBy(statement: Program["body"][number]): readonly string[] {
  if (statement.type === "VariableDeclaration") return statement.declarations.flatMap(({ id }) => namesIn(id));
  return statement.type === "ClassDeclaration" || statement.type === "FunctionDeclaration" ? namesIn(statement.id) : [];
}

/** All identifiers in a part of a program. */
function namesIn(node: unknown): readonly string[] {
  if (Array.isArray(node)) return node.flatMap((one) => namesIn(one));
  const { type, name, ...others } = asObject(node) ?? {};
  if (type === "Identifier" && typeof name === "string") return [name];
  return Object.values(others).flatMap((one) => namesIn(one));
}
