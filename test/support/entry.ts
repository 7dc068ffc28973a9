/** The program that tests start as a process: as it was built if that is up to date, which starts in two thirds of the time, else its sources. */
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";

const built = "dist/main/index.js";

function isUpToDate(): boolean {
  const builtAt = statSync(built, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  return readdirSync("src", { recursive: true, encoding: "utf8" }).every((name) => statSync(join("src", name)).mtimeMs <= builtAt || !name.endsWith(".ts"));
}

/** Path of the command line's entry. */
export const entry: string = isUpToDate() ? built : "src/main/index.ts";
