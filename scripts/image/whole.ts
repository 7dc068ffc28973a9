/** The whole image of a checkout: its tree with the settings of the Containerfile. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseObject, textAt } from "../../src/domain/json.ts";
import { readBase } from "./base.ts";
import { settingsOf } from "./containerfile.ts";
import { ociImageOf, type OciImage } from "./oci.ts";
import type { Tree } from "./tree.ts";

/** The Containerfile, relative to the root. */
export const containerfile = "deploy/image/Containerfile";

/** Version of a checkout, as package.json has it. */
export function versionOf(root: string): string {
  return textAt(parseObject(readFileSync(join(root, "package.json"))), "version");
}

/** Makes an OCI archive of a tree. @param epoch seconds since 1970, of all files. */
export function ociArchive(root: string, tree: Tree, name: string, epoch: number, revision: string): Promise<OciImage> {
  const settings = settingsOf(readFileSync(join(root, containerfile), "utf8"), { VERSION: versionOf(root), REVISION: revision });
  return ociImageOf({ tree, settings, architecture: readBase(root).architecture, name, epoch });
}

/** The time that everything made from a checkout has, seconds since 1970: SOURCE_DATE_EPOCH if it is set, else that of the commit; 0 where neither is known. */
export function epochOf(root: string): number {
  const given = process.env["SOURCE_DATE_EPOCH"];
  if (given !== undefined && /^\d+$/.test(given)) return Number(given);
  try {
    return Number(git(root, "log", "-1", "--format=%ct"));
  } catch {
    return 0;
  }
}

/** The commit that is checked out, with "-dirty" where its files were changed; "unknown" without a repository. */
export function revisionOf(root: string): string {
  try {
    const changed = git(root, "status", "--porcelain", "--untracked-files=no") !== "";
    return `${git(root, "rev-parse", "HEAD")}${changed ? "-dirty" : ""}`;
  } catch {
    return "unknown";
  }
}

function git(root: string, ...args: readonly string[]): string {
  return execFileSync("git", ["-C", root, ...args], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
}
