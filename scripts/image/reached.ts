/** The files that the program can load: what it imports, what that imports, and so on, to the last library. */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { isBuiltin } from "node:module";
import { dirname, join } from "node:path";
import { asObject, objectAt, readObject, stringAt } from "../../src/domain/json.ts";
import { programOf } from "./instead.ts";
import { compare } from "./lock.ts";

/** Folder of the build that the image does not hold: the load tool, which measures from outside and creates thousands of pods. */
export const loadTool = "dist/bench";

/** Where the program begins, and what is loaded by paths that are put together while it runs. */
const beginnings = ["dist/main/index.js", "dist/workers/task.js", "node_modules/piscina/dist/worker.js"];

/** Files that are not followed. */
const notFollowed: readonly RegExp[] = [
  /^dist\/bench\//,
  // Types, which comments import.
  /\.d\.[cm]?ts$/,
  // What reads kubeconfigs and runs credential plugins is used file by file; the rest (25 MB, with the packages that it needs) is for the legacy auth providers, which want a person's browser or programs that the image does not have.
  /\/@kubernetes\/client-node\/dist\/(?:index|config)\.js$/,
  // Lowers the priority of workers, if it is told to, which it is not; a program of each platform's own.
  /\/@napi-rs\/nice/,
  // Bodies of forms, which wsmand does not send, and another parser, for those who ask for it by a variable.
  /\/undici\/lib\/(?:web|milo)\//,
  // What tells browsers apart.
  /\/bowser\//,
  // How the AWS client looks for keys if it is given none. It always is: the configuration demands them (src/main/content/s3.ts).
  /\/@aws-sdk\/credential-provider-(?:http|ini|login|process|sso|web-identity)\/|\/@smithy\/credential-provider-imds\//,
];

/** What an import can look like. */
const imports = /\b(from|import|import\s*\(|require\s*\(|require\.resolve\s*\()\s*(?:\/\*.*?\*\/\s*)?["']([^"'\n]+)["']/g;

/** Data that libraries read by paths of their own: reflection's .proto files. Others have some as well, for servers that wsmand does not have, or as programs hold them once more. */
const data = /^node_modules\/(?:@grpc\/reflection\/build\/proto\/grpc|grpc-health-check\/proto)\/.*\.proto$/;

/** What Node.js takes of a package's `exports`, beside `import` or `require`: the first one that is there. */
const conditions = ["node", "module-sync", "node-addons", "default"] as const;

type Way = "import" | "require";

/**
 * The files, relative to the root, sorted; with the package.json files that say how each is to be loaded. Needs a build and installed packages.
 * None is missing whose name stands in the code.
 */
export function reachedFiles(root: string): readonly string[] {
  const files = new Set(beginnings.filter((file) => existsSync(join(root, file))));
  // A set is walked to its end also when it grows meanwhile.
  for (const file of files) {
    if (!/\.[cm]?js$/.test(file)) continue;
    for (const found of importedBy(root, file)) if (!notFollowed.some((pattern) => pattern.test(found))) files.add(found);
  }
  const packages = new Set([...files].flatMap((file) => packageOf(file) ?? []));
  for (const folder of packages) for (const file of dataIn(root, folder)) files.add(file);
  for (const file of Array.from(files)) for (const manifest of manifestsAbove(root, file)) files.add(manifest);
  return [...files].toSorted(compare);
}

/** Folder of the package that a file belongs to; undefined for our own. */
export function packageOf(file: string): string | undefined {
  return /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(file)?.[1];
}

function importedBy(root: string, file: string): readonly string[] {
  const matches = [...programOf(root, file).matchAll(imports)];
  return matches.flatMap(([, word = "", name = ""]) => resolved(root, file, name, word.startsWith("require") ? "require" : "import"));
}

function resolved(root: string, from: string, name: string, way: Way): readonly string[] {
  if (isBuiltin(name)) return [];
  if (name.startsWith(".")) return fileAt(root, join(dirname(from), name));
  if (name.startsWith("#")) return ownPaths(root, packageOf(from) ?? ".", name, way);
  const [, scope, path = ""] = /^((?:@[^/]+\/)?[^/]+)(?:\/(.*))?$/.exec(name) ?? [];
  const folder = scope === undefined ? undefined : installedAt(root, from, scope);
  return folder === undefined ? [] : entriesOf(root, folder, path, way);
}

/** What a package names in its own `imports`. */
function ownPaths(root: string, folder: string, name: string, way: Way): readonly string[] {
  const manifest = readObject(readFileSync(join(root, folder, "package.json")));
  return leavesOf(objectAt(manifest, "imports")?.[name], way).filter((target) => target.startsWith(".")).flatMap((target) => fileAt(root, join(folder, target)));
}

/** The nearest folder of a package, up the tree. */
function installedAt(root: string, from: string, name: string): string | undefined {
  for (let at = dirname(from); ; at = dirname(at)) {
    const folder = join(at, "node_modules", name);
    if (existsSync(join(root, folder, "package.json"))) return folder;
    if (at === ".") return undefined;
  }
}

/** What an import of a package, or of a path in it, can load. */
function entriesOf(root: string, folder: string, path: string, way: Way): readonly string[] {
  const manifest = readObject(readFileSync(join(root, folder, "package.json")));
  const exported: unknown = manifest?.["exports"];
  if (exported !== undefined) return targetsOf(exported, path === "" ? "." : `./${path}`, way).flatMap((target) => fileAt(root, join(folder, target)));
  return path === "" ? fileAt(root, join(folder, stringAt(manifest, "main") ?? "index.js")) : fileAt(root, join(folder, path));
}

function targetsOf(exported: unknown, path: string, way: Way): readonly string[] {
  const table = asObject(exported);
  if (table === undefined || !Object.keys(table).some((key) => key.startsWith("."))) return path === "." ? leavesOf(exported, way) : [];
  if (table[path] !== undefined) return leavesOf(table[path], way);
  return Object.entries(table).flatMap(([key, target]) => {
    const [before = "", after] = key.split("*");
    if (after === undefined || !path.startsWith(before) || !path.endsWith(after)) return [];
    const middle = path.slice(before.length, path.length - after.length);
    return leavesOf(target, way).map((leaf) => leaf.replaceAll("*", middle));
  });
}

function leavesOf(target: unknown, way: Way): readonly string[] {
  if (typeof target === "string") return [target];
  if (Array.isArray(target)) return target.flatMap((one) => leavesOf(one, way));
  const taken: ReadonlySet<string> = new Set([way, ...conditions]);
  for (const [condition, one] of Object.entries(asObject(target) ?? {})) {
    const leaves = taken.has(condition) ? leavesOf(one, way) : [];
    if (leaves.length > 0) return leaves;
  }
  return [];
}

/** A file by a path without what Node.js adds to it; none if there is none. */
function fileAt(root: string, path: string): readonly string[] {
  const found = ["", ".js", ".cjs", ".mjs", ".json", ".node"].map((ending) => path + ending).find((one) => statSync(join(root, one), { throwIfNoEntry: false })?.isFile());
  if (found !== undefined) return [found];
  if (statSync(join(root, path), { throwIfNoEntry: false })?.isDirectory() !== true) return [];
  const manifest = join(root, path, "package.json");
  const main = existsSync(manifest) ? stringAt(readObject(readFileSync(manifest)), "main") : undefined;
  return fileAt(root, join(path, main ?? "index.js"));
}

function dataIn(root: string, folder: string): readonly string[] {
  const names = readdirSync(join(root, folder), { recursive: true, encoding: "utf8" });
  return names.map((name) => `${folder}/${name}`).filter((path) => data.test(path));
}

/** The package.json files of the folders that a file of a package is in. */
function manifestsAbove(root: string, file: string): readonly string[] {
  const top = packageOf(file);
  if (top === undefined) return [];
  const manifests: string[] = [];
  for (let folder = dirname(file); folder.length >= top.length; folder = dirname(folder)) if (existsSync(join(root, folder, "package.json"))) manifests.push(`${folder}/package.json`);
  return manifests;
}
