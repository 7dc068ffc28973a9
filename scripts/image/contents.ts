/** What of the production dependencies the image holds: the packages, and the files of them, that the program can load. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { compare, productionOf, type Production } from "./lock.ts";
import { packageOf, reachedFiles } from "./reached.ts";
import { twinsOf } from "./twins.ts";

/** What the image holds. */
export interface Contents {
  /** The production packages of which it has files. */
  readonly production: Production;
  /** Files of packages, relative to the root, sorted; of packages that are installed several times, those of one place. */
  readonly files: readonly string[];
  /** Folders of packages that are links, and to which folders. */
  readonly links: ReadonlyMap<string, string>;
}

/** Looks through the build and the installed packages. @throws Error if the program loads a package that is none of production. */
export function contentsOf(root: string): Contents {
  const files = reachedFiles(root).filter((file) => packageOf(file) !== undefined);
  const held = new Set(files.map((file) => packageOf(file) ?? ""));
  const all = productionOf(root, (path) => existsSync(join(root, path, "package.json")));
  const packages = all.packages.filter(({ path }) => held.has(path)).map((found) => ({ ...found, dependsOn: found.dependsOn.filter((path) => held.has(path)) }));
  const known = new Set(packages.map(({ path }) => path));
  for (const folder of held) if (!known.has(folder)) throw new Error(`${folder} is loaded, but is no production dependency`);
  const links = twinsOf(packages);
  return { production: { ...all, packages, dependsOn: all.dependsOn.filter((path) => held.has(path)) }, files: [...new Set(files.map((file) => behindLink(file, links)))].toSorted(compare), links };
}

function behindLink(file: string, links: ReadonlyMap<string, string>): string {
  const folder = packageOf(file) ?? "";
  return (links.get(folder) ?? folder) + file.slice(folder.length);
}

/** All files below a folder, sorted. */
export function filesBelow(folder: string): readonly string[] {
  const files: string[] = [];
  const look = (below: string): void => {
    for (const entry of readdirSync(join(folder, below), { withFileTypes: true })) {
      const path = below === "" ? entry.name : `${below}/${entry.name}`;
      if (entry.isDirectory()) look(path);
      else files.push(path);
    }
  };
  look("");
  return files.toSorted(compare);
}
