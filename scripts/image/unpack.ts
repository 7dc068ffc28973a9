/** Unpacks what the image stands on. */
import { execFileSync } from "node:child_process";

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
