/** Pins what apt and npm have now. */
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { asObject, objectAt, parseObject, textAt } from "../../src/domain/json.ts";
import { baseFile, readBase } from "./base.ts";
import { digestOf, getNewest, type Sources } from "./downloads.ts";

/** Pins the newest versions of the same Debian packages, and the Node.js that the lock file has. Asks apt and npm, and gets the packages. */
export function refreshBase(root: string, sources: Sources): void {
  const file = join(root, baseFile);
  const before = parseObject(readFileSync(file));
  const { node, debian, architecture } = readBase(root);
  const lock = objectAt(parseObject(readFileSync(join(root, "package-lock.json"))), "packages");
  const version = textAt(objectAt(lock, "node_modules/node"), "version");
  const integrity = execFileSync("npm", ["view", `${node.name}@${version}`, "dist.integrity"], { encoding: "utf8", timeout: 60_000 }).trim();
  const newest = debian.map(({ name, files }) => {
    const found = { name, ...newestOf(name) };
    return { ...found, sha1: digestOf(getNewest(found, architecture, sources), "sha1"), files };
  });
  writeFileSync(file, `${JSON.stringify({ ...asObject(before), node: { ...node, version, integrity }, debian: newest }, undefined, 2)}\n`);
}

function newestOf(name: string): { readonly version: string; readonly sha256: string } {
  const text = execFileSync("apt-cache", ["show", "--no-all-versions", name], { encoding: "utf8", timeout: 60_000 });
  const [, version] = /^Version: (\S+)$/m.exec(text) ?? [];
  const [, sha256] = /^SHA256: ([0-9a-f]{64})$/m.exec(text) ?? [];
  if (version === undefined || sha256 === undefined) throw new Error(`apt-cache knows no ${name}: apt-get update`);
  return { version, sha256 };
}
