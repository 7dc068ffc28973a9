/** Guard of the build that follows an install: says what is missing where the development dependencies were left out. Plain JavaScript, as any Node may have to run it. */
import { existsSync } from "node:fs";

const compiler = new URL("../node_modules/typescript/package.json", import.meta.url);
if (!existsSync(compiler)) {
  process.stderr.write(`wsmand is built when it is installed, and the tools for that (Node.js 24 and TypeScript) are development dependencies, which were left out.
With them: npm ci --include=dev, and afterwards, to be rid of them, npm prune --omit=dev --ignore-scripts.
Where dist/ has been built already: npm ci --omit=dev --ignore-scripts.
`);
  process.exit(1);
}
