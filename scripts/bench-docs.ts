// Measures all that docs/benchmarks.md tells of, keeps the results in docs/benchmarks.json, and renders them into the page. --help tells the flags.
import { execFileSync } from "node:child_process";
import { readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { Command, InvalidArgumentError } from "commander";
import { messageOf } from "../src/domain/errors.ts";
import { argumentsOf, kubeconfigPlaceholder, measurements } from "./bench-docs/measurements.ts";
import type { Measurement } from "./bench-docs/measurements.ts";
import { insertFigures, renderFigures } from "./bench-docs/render.ts";
import { entryOf, failure, formatResults, parseResults } from "./bench-docs/results.ts";
import type { Entry } from "./bench-docs/results.ts";
import { runBench } from "./bench-docs/run.ts";
import { builtEntry, refuseOldBuild } from "./built.ts";

interface Flags {
  readonly only?: readonly Measurement[];
  readonly list?: boolean;
  readonly render?: boolean;
  readonly runs?: number;
  readonly kubeconfig?: string;
}

const root = resolve(import.meta.dirname, "..");
const entryFile = join(root, builtEntry);
const resultsFile = join(root, "docs/benchmarks.json");
const pageFile = join(root, "docs/benchmarks.md");
const say = (text: string): void => void process.stderr.write(`${text}\n`);

const program = new Command("bench:docs")
  .description("Runs the measurements of docs/benchmarks.md, one after the other, and writes their results there. Build first. Ctrl-C keeps what is done.")
  .option("--only <ids>", "these alone, separated by commas; the other rows stay as they are", chosen)
  .option("--list", "tell what there is, and measure nothing")
  .option("--render", "write docs/benchmarks.md from docs/benchmarks.json, and measure nothing")
  .option("--runs <n>", "runs of each, instead of what each has", positive)
  .option("--kubeconfig <file>", "a real API server, for the measurements that are meant for one");

// Whoever reads the list may have read enough of it.
process.stdout.on("error", () => {});
try {
  await main(program.parse().opts<Flags>());
} catch (error) {
  say(`error: ${messageOf(error)}`);
  process.exitCode = 1;
}

async function main(flags: Flags): Promise<void> {
  if (flags.list === true) list();
  else if (flags.render === true) write(read());
  else await measureAll(flags);
}

function list(): void {
  for (const measurement of measurements) {
    const aims = measurement.aims.map((aim) => `${aim.figure} ${aim.at === "within" ? `within ${aim.noise}` : `${aim.at === "most" ? "<=" : ">="} ${aim.value}`}`);
    process.stdout.write(`${measurement.id.padEnd(13)} ${argumentsOf(measurement, measurement.runs, kubeconfigPlaceholder).join(" ")}${aims.length > 0 ? `  (${aims.join(", ")})` : ""}\n`);
  }
}

async function measureAll({ only = measurements, runs, kubeconfig }: Flags): Promise<void> {
  // Figures of an old build would be told of as this commit's.
  refuseOldBuild(root);
  // What is wrong with the files is told now, and not after the first measurement.
  write(read());
  const signal = endSignal();
  const failed: string[] = [];
  for (const [i, measurement] of only.entries()) {
    const { id } = measurement;
    const title = `[${i + 1}/${only.length}] ${id}`;
    if (measurement.cluster === "real" && kubeconfig === undefined) {
      say(`${title}: skipped, it needs --kubeconfig`);
      continue;
    }
    const command = argumentsOf(measurement, runs ?? measurement.runs, kubeconfigPlaceholder).join(" ");
    say(`${title}: wsmand bench ${command}`);
    const entry = await measure(command, argumentsOf(measurement, runs ?? measurement.runs, resolve(kubeconfig ?? "")), signal, kubeconfig);
    if (signal.aborted) break;
    if (entry.failed !== undefined) failed.push(id);
    say(`${title}: ${entry.failed === undefined ? "done" : `failed: ${entry.failed}`}`);
    // After each, so that an early end loses nothing. Read anew, since someone may have measured beside this.
    write({ ...read(), [id]: entry });
  }
  if (signal.aborted) say("ended early: what was done is kept");
  if (failed.length > 0) say(`failed: ${failed.join(", ")}`);
  if (signal.aborted || failed.length > 0) process.exitCode = 1;
}

async function measure(command: string, args: readonly string[], signal: AbortSignal, kubeconfig: string | undefined): Promise<Entry> {
  try {
    return entryOf(command, await runBench(args, { entry: entryFile, signal, progress: (text) => void process.stderr.write(text) }), sourcesChanged());
  } catch (error) {
    // Where files lie on this machine is nobody's business.
    const reason = messageOf(error).replaceAll(`${root}/`, "").replaceAll(resolve(kubeconfig ?? root), kubeconfigPlaceholder);
    return failure(command, reason, { date: new Date().toISOString(), commit: git("rev-parse", "--short", "HEAD"), changed: sourcesChanged() });
  }
}

function read(): ReturnType<typeof parseResults> {
  return parseResults(statSync(resultsFile, { throwIfNoEntry: false }) ? readFileSync(resultsFile, "utf8") : undefined);
}

/** Writes results and page, each as a whole or not at all. */
function write(results: ReturnType<typeof parseResults>): void {
  const page = insertFigures(readFileSync(pageFile, "utf8"), renderFigures(measurements, results));
  for (const [file, text] of [[resultsFile, formatResults(results, measurements.map(({ id }) => id))], [pageFile, page]] as const) {
    writeFileSync(`${file}.new`, text);
    renameSync(`${file}.new`, file);
  }
}

/** Whether what is measured is not what the commit holds. */
function sourcesChanged(): boolean {
  return git("status", "--porcelain", "--", "src", "proto", "package.json", "package-lock.json") !== "";
}

function git(...args: readonly string[]): string {
  try {
    return execFileSync("git", args, { cwd: root, encoding: "utf8" }).trim();
  } catch {
    return "unknown";
  }
}

/** Aborts at the first signal that asks for an end. Later ones change nothing: npm sends a terminal's Ctrl-C a second time, and cleaning up has a deadline of its own. */
function endSignal(): AbortSignal {
  const stop = new AbortController();
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    process.on(name, () => {
      if (!stop.signal.aborted) say("\nending ...");
      stop.abort();
    });
  }
  return stop.signal;
}

function chosen(ids: string): readonly Measurement[] {
  return ids.split(",").map((id) => {
    const found = measurements.find((measurement) => measurement.id === id.trim());
    if (!found) throw new InvalidArgumentError(`There is no ${JSON.stringify(id)}; there are ${measurements.map(({ id }) => id).join(", ")}.`);
    return found;
  });
}

function positive(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < 1 || value > 100) throw new InvalidArgumentError("It must be a whole number from 1 to 100.");
  return value;
}
