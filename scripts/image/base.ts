/** What the image stands on: Node.js and files of Debian packages, each pinned by digest in deploy/image/base.json. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { objectAt, objectsAt, parseObject, stringAt, type JsonObject } from "../../src/domain/json.ts";

/** Where the pins stand, relative to the root. */
export const baseFile = "deploy/image/base.json";

/** A Debian package of which the image has some files. */
export interface DebianPackage {
  readonly name: string;
  readonly version: string;
  /** Of the .deb file, hexadecimal: it is this file, or none. */
  readonly sha256: string;
  /** Of the same file: its address in Debian's archive, and no proof of anything. */
  readonly sha1: string;
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
    debian: objectsAt(base, "debian").map((entry) => ({ name: needed(entry, "name"), version: needed(entry, "version"), sha256: needed(entry, "sha256"), sha1: needed(entry, "sha1"), files: textsAt(entry, "files") })),
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
