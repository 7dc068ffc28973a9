/** The packages that a production installation has, by the lock file, and how they depend on each other. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { asObject, objectAt, parseObject, stringAt, textAt, type JsonObject } from "../../src/domain/json.ts";

/** A package of the lock file. */
export interface LockedPackage {
  /** Its folder, below the root: `node_modules/a/node_modules/b`. */
  readonly path: string;
  readonly name: string;
  readonly version: string;
  /** SPDX expression, as its author declares it; empty: none. */
  readonly license: string;
  /** Digest of its archive, as in package-lock.json; empty: none. */
  readonly integrity: string;
  /** Folders of what it depends on, sorted. */
  readonly dependsOn: readonly string[];
}

/** What is chosen from the lock file. */
export interface Production {
  /** Of the project itself. */
  readonly name: string;
  readonly version: string;
  readonly dependsOn: readonly string[];
  /** Sorted by folder. */
  readonly packages: readonly LockedPackage[];
}

/**
 * The production packages of a checkout: what `npm ci --omit=dev` installs. Optional packages that are not installed, since they are for other platforms, do not count.
 * @throws Error if a package that is needed is not in the lock file.
 */
export function productionOf(root: string, isInstalled: (path: string) => boolean): Production {
  const packages = objectAt(parseObject(readFileSync(join(root, "package-lock.json"))), "packages");
  const own = objectAt(packages, "");
  if (packages === undefined || own === undefined) throw new Error("package-lock.json tells no packages: npm install writes one that does");
  const walk = new Walk(packages, isInstalled);
  const dependsOn = walk.from("", own);
  return { name: textAt(own, "name"), version: textAt(own, "version"), dependsOn, packages: [...walk.found.values()].toSorted((a, b) => compare(a.path, b.path)) };
}

/** Order of texts that is the same everywhere. */
export function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

class Walk {
  readonly found = new Map<string, LockedPackage>();
  readonly #packages: JsonObject;
  readonly #isInstalled: (path: string) => boolean;

  constructor(packages: JsonObject, isInstalled: (path: string) => boolean) {
    this.#packages = packages;
    this.#isInstalled = isInstalled;
  }

  /** Finds all that a package needs; gives the folders of what it depends on itself. */
  from(path: string, entry: JsonObject): readonly string[] {
    const folders = dependenciesOf(entry).flatMap(({ name, needed }) => this.#resolve(path, name, needed));
    for (const folder of folders) this.#visit(folder);
    return folders.toSorted(compare);
  }

  #visit(path: string): void {
    if (this.found.has(path)) return;
    const entry = asObject(this.#packages[path]) ?? {};
    const name = path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length);
    const told = { path, name, version: textAt(entry, "version"), license: textAt(entry, "license"), integrity: textAt(entry, "integrity") };
    // Known before its dependencies are walked, which may lead back here.
    this.found.set(path, { ...told, dependsOn: [] });
    this.found.set(path, { ...told, dependsOn: this.from(path, entry) });
  }

  /** The folder where Node finds a package: the nearest one up the tree. */
  #resolve(from: string, name: string, needed: boolean): readonly string[] {
    for (let at = from; ; at = at.slice(0, Math.max(0, at.lastIndexOf("node_modules/") - 1))) {
      const path = at === "" ? `node_modules/${name}` : `${at}/node_modules/${name}`;
      if (asObject(this.#packages[path]) !== undefined) {
        if (this.#isInstalled(path)) return [path];
        if (needed) throw new Error(`${path} is in package-lock.json but not installed: run npm ci`);
        return [];
      }
      if (at === "") break;
    }
    if (needed) throw new Error(`package-lock.json has no ${name}, which ${from || "the project"} needs`);
    return [];
  }
}

interface Dependency {
  readonly name: string;
  readonly needed: boolean;
}

function dependenciesOf(entry: JsonObject): readonly Dependency[] {
  const optionalPeers = objectAt(entry, "peerDependenciesMeta");
  const dependencies = new Map<string, boolean>();
  for (const name of namesAt(entry, "dependencies")) dependencies.set(name, true);
  for (const name of namesAt(entry, "peerDependencies")) dependencies.set(name, objectAt(optionalPeers, name)?.["optional"] !== true);
  // npm lists an optional one among the others, too.
  for (const name of namesAt(entry, "optionalDependencies")) dependencies.set(name, false);
  return [...dependencies].map(([name, needed]) => ({ name, needed }));
}

function namesAt(entry: JsonObject, key: string): readonly string[] {
  return Object.keys(objectAt(entry, key) ?? {});
}

/** A member of a package's own package.json that is a text or, as authors are, an object with a name; empty if it is neither. */
export function personIn(manifest: JsonObject | undefined, key: string): string {
  return stringAt(manifest, key) ?? textAt(objectAt(manifest, key), "name");
}
