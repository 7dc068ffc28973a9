/** Whether the build in dist/ is that of the sources: what is measured of it, or made of it, is told of as the commit's. */
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";

/** What is built, relative to the root. */
export const builtEntry = "dist/main/index.js";

/** Where sources are, and what their names end in. */
const sources = [["src", ".ts"], ["proto", ".proto"]] as const;

/** @throws Error that names a source that is newer than the build, or says that there is no build. */
export function refuseOldBuild(root: string): void {
  const built = statSync(join(root, builtEntry), { throwIfNoEntry: false })?.mtimeMs;
  if (built === undefined) throw new Error("dist/ holds no build: npm run build first");
  for (const [folder, ending] of sources) {
    const newer = readdirSync(join(root, folder), { recursive: true, encoding: "utf8" }).find((file) => file.endsWith(ending) && statSync(join(root, folder, file)).mtimeMs > built);
    if (newer !== undefined) throw new Error(`dist/ is older than ${folder}/${newer}: npm run build first`);
  }
}
