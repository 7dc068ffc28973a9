/** Writes the parts of docs/ that are made from the code: the reference of the configuration, from its schema, and that of the metrics. */
import { renameSync, writeFileSync } from "node:fs";
import { Command } from "commander";
import { runScript } from "./command.ts";
import { madePages } from "./docs/pages.ts";

const program = new Command("docs")
  .description("Writes the references in docs/configuration.md and docs/metrics.md from the code.")
  .option("--check", "write nothing; exit code 1 if a page is out of date");

await runScript(program, async () => {
  const stale = madePages().filter(({ found, wanted }) => found !== wanted);
  if (program.opts<{ check?: boolean }>().check === true) {
    if (stale.length > 0) throw new Error(`out of date: ${stale.map(({ path }) => path).join(", ")}; npm run docs writes them`);
    return;
  }
  for (const { path, file, wanted } of stale) {
    writeFileSync(`${file}.new`, wanted);
    renameSync(`${file}.new`, file);
    process.stdout.write(`${path}\n`);
  }
}, undefined);
