/** Packages that npm installs in several places in the same version: the image has them once, with links in the other places. */
import { sha256Of } from "./archive.ts";
import { compare, type LockedPackage } from "./lock.ts";

/**
 * The folders that can be links, and where they lead. Two packages are the same if name and version are, and if what they depend on is the same: then the code behind a link, which Node.js looks for from where the link leads,
 * finds what it would have found. A folder with other packages in it stays a folder.
 */
export function twinsOf(packages: readonly LockedPackage[]): ReadonlyMap<string, string> {
  const keys = new Keys(packages);
  const first = new Map<string, string>();
  const links = new Map<string, string>();
  for (const { path } of packages.toSorted((a, b) => a.path.length - b.path.length || compare(a.path, b.path))) {
    const key = keys.of(path);
    const other = first.get(key);
    if (other === undefined) first.set(key, path);
    else if (!packages.some((inner) => inner.path.startsWith(`${path}/`))) links.set(path, other);
  }
  return links;
}

class Keys {
  readonly #packages: ReadonlyMap<string, LockedPackage>;
  readonly #known = new Map<string, string>();

  constructor(packages: readonly LockedPackage[]) {
    this.#packages = new Map(packages.map((found) => [found.path, found]));
  }

  /** Tells whether two packages are the same. */
  of(path: string): string {
    const known = this.#known.get(path);
    if (known !== undefined) return known;
    const found = this.#packages.get(path);
    // What leads back to itself, or is not there, is the same as nothing else.
    this.#known.set(path, path);
    const key = found === undefined ? path : sha256Of(Buffer.from(JSON.stringify([found.name, found.version, found.integrity, found.dependsOn.map((one) => this.of(one)).toSorted(compare)])));
    this.#known.set(path, key);
    return key;
  }
}
