/** Finds programs of others that tests use where they are installed. */
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

/** Path of a program in PATH; undefined if there is none. */
export function findTool(name: string): string | undefined {
  return (process.env["PATH"] ?? "").split(delimiter).map((folder) => join(folder, name)).find(isExecutable);
}

/** For a test's `skip`: false if the program is there, or the reason. */
export function unlessThere(name: string, debianPackage: string): string | false {
  return findTool(name) === undefined && `there is no ${name} (Debian: ${debianPackage})`;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
