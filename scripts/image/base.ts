/** What the image stands on: Node.js and files of Debian packages, each pinned by digest in deploy/image/base.json. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { messageOf } from "../../src/domain/errors.ts";
import { asObject, objectAt, objectsAt, parseObject, stringAt, type JsonObject } from "../../src/domain/json.ts";

/** Where the pins stand, relative to the root. */
export const baseFile = "deploy/image/base.json";

/** A Debian package of which the image has some files. */
export interface DebianPackage {
  readonly name: string;
  readonly version: string;
  /** Of the .deb file, hexadecimal. */
  readonly sha256: string;
  /** Paths in the package; a folder, with all in it, ends with a slash. */
  readonly files: readonly string[];
}

/** What base.json says. */
export interface Base {
  /** As Debian names it. */
  readonly architecture: string;
  /** Release of Debian that the packages are from. */
  readonly suite: string;
  /** The npm package that holds Node.js for this architecture. */
  readonly node: { readonly name: string; readonly version: string; readonly integrity: string };
  readonly debian: readonly DebianPackage[];
}

/** Reads the pins. @throws Error that names what is missing. */
export function readBase(root: string): Base {
  const base = parseObject(readFileSync(join(root, baseFile)));
  const node = objectAt(base, "node");
  return {
    architecture: needed(base, "architecture"),
    suite: needed(base, "suite"),
    node: { name: needed(node, "name"), version: needed(node, "version"), integrity: needed(node, "integrity") },
    debian: objectsAt(base, "debian").map((entry) => ({ name: needed(entry, "name"), version: needed(entry, "version"), sha256: needed(entry, "sha256"), files: textsAt(entry, "files") })),
  };
}

function needed(parent: JsonObject | undefined, key: string): string {
  const value = stringAt(parent, key);
  if (value === undefined || value === "") throw new Error(`${baseFile}: ${key} is missing`);
  return value;
}

function textsAt(parent: JsonObject, key: string): readonly string[] {
  const list: unknown = parent[key];
  return Array.isArray(list) ? list.filter((item) => typeof item === "string") : [];
}

/** Folder in which downloads are kept between builds; what is there counts only with the right digest. */
export function downloadsFolder(): string {
  return join(process.env["XDG_CACHE_HOME"] ?? join(process.env["HOME"] ?? tmpdir(), ".cache"), "wsmand-image");
}

/** Gets the pinned Debian packages, with apt; gives their files by name. @throws Error that says what to do where apt does not have a version any more. */
export function getDebianPackages({ debian, architecture }: Base, downloads: string): ReadonlyMap<string, string> {
  return new Map(debian.map((wanted) => [wanted.name, getDebianPackage(wanted, architecture, downloads)]));
}

function getDebianPackage({ name, version, sha256 }: DebianPackage, architecture: string, downloads: string): string {
  const kept = join(downloads, `${name}_${version.replace(":", "%3a")}_${architecture}.deb`);
  if (isFile(kept, "sha256", sha256)) return kept;
  return inNewFolder((folder) => {
    try {
      execFileSync("apt-get", ["download", `${name}=${version}`], { cwd: folder, stdio: ["ignore", "ignore", "pipe"], timeout: 120_000 });
    } catch (error) {
      throw new Error(`${name} ${version} can not be had with apt-get download (${messageOf(error).split("\n").slice(1).join(" ").trim() || messageOf(error)}). Where Debian has a newer one: npm run image -- refresh`, { cause: error });
    }
    const file = readdirSync(folder).find((entry) => entry.endsWith(".deb"));
    if (file === undefined || !isFile(join(folder, file), "sha256", sha256)) throw new Error(`${name} ${version} is not the file whose digest is in ${baseFile}`);
    return keep(join(folder, file), kept);
  });
}

/** Gets the archive of the npm package that holds Node.js; gives its file. */
export function getNode({ node: { name, version, integrity } }: Base, downloads: string): string {
  const kept = join(downloads, `${name}-${version}.tgz`);
  const [algorithm = "", digest = ""] = integrity.split(/-(.*)/s);
  const hex = Buffer.from(digest, "base64").toString("hex");
  if (isFile(kept, algorithm, hex)) return kept;
  return inNewFolder((folder) => {
    execFileSync("npm", ["pack", "--silent", `${name}@${version}`], { cwd: folder, stdio: ["ignore", "ignore", "inherit"], timeout: 200_000 });
    const file = readdirSync(folder).find((entry) => entry.endsWith(".tgz"));
    if (file === undefined || !isFile(join(folder, file), algorithm, hex)) throw new Error(`${name} ${version} is not the archive whose integrity is in ${baseFile}`);
    return keep(join(folder, file), kept);
  });
}

function keep(file: string, kept: string): string {
  mkdirSync(join(kept, ".."), { recursive: true });
  // Whole or not at all, for other builds that look at the same time.
  copyFileSync(file, `${kept}.${process.pid}`);
  renameSync(`${kept}.${process.pid}`, kept);
  return kept;
}

function isFile(path: string, algorithm: string, hex: string): boolean {
  return existsSync(path) && createHash(algorithm).update(readFileSync(path)).digest("hex") === hex;
}

/** Does something in a folder that is gone afterwards. */
export function inNewFolder<T>(work: (folder: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), "wsmand-image-"));
  try {
    return work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The same, for what takes its time. */
export async function inNewFolderAsync<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "wsmand-image-"));
  try {
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Unpacks a Debian package. */
export function unpackDebian(file: string, into: string): void {
  execFileSync("dpkg-deb", ["--extract", file, into]);
}

/** The control file of a Debian package. */
export function controlOf(file: string): string {
  return execFileSync("dpkg-deb", ["--field", file], { encoding: "utf8" });
}

/** Unpacks Node.js and its licence: `bin/node` and `LICENSE` in the folder. */
export function unpackNode(file: string, into: string): void {
  execFileSync("tar", ["--extract", "--gzip", "--file", file, "--directory", into, "--strip-components=1", "package/bin/node", "package/LICENSE"]);
}

/** Pins what apt and npm have now: the newest versions of the same Debian packages, and the Node.js that the lock file has. Asks both. */
export function refreshBase(root: string): void {
  const file = join(root, baseFile);
  const before = parseObject(readFileSync(file));
  const { node, debian } = readBase(root);
  const lock = objectAt(parseObject(readFileSync(join(root, "package-lock.json"))), "packages");
  const version = needed(objectAt(lock, "node_modules/node"), "version");
  const integrity = execFileSync("npm", ["view", `${node.name}@${version}`, "dist.integrity"], { encoding: "utf8", timeout: 60_000 }).trim();
  const refreshed = { ...asObject(before), node: { ...node, version, integrity }, debian: debian.map((entry) => ({ ...entry, ...newestOf(entry.name) })) };
  writeFileSync(file, `${JSON.stringify(refreshed, undefined, 2)}\n`);
}

function newestOf(name: string): { readonly version: string; readonly sha256: string } {
  const text = execFileSync("apt-cache", ["show", "--no-all-versions", name], { encoding: "utf8", timeout: 60_000 });
  const [, version] = /^Version: (\S+)$/m.exec(text) ?? [];
  const [, sha256] = /^SHA256: ([0-9a-f]{64})$/m.exec(text) ?? [];
  if (version === undefined || sha256 === undefined) throw new Error(`apt-cache knows no ${name}: apt-get update`);
  return { version, sha256 };
}
