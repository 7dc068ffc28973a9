/** The load tool: `npm run bench -- SCENARIO [flags]`. Reads the command line, runs the scenario as often as was asked for, reports. */
import { writeFile } from "node:fs/promises";
import { CommanderError } from "commander";
import { messageOf } from "../src/domain/errors.ts";
import { Lab } from "./lab.ts";
import { parseOptions } from "./options.ts";
import type { Options } from "./options.ts";
import { summarize } from "./report/figures.ts";
import { machine, versions } from "./report/machine.ts";
import { table } from "./report/table.ts";
import { scenarios } from "./scenarios/index.ts";
import type { Outcome, Scenario } from "./scenarios/scenario.ts";

/** Ctrl-C ends the load and reports what was measured; a second one ends at once. */
function interruptible(): AbortSignal {
  const controller = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => {
      if (controller.signal.aborted) process.exit(130);
      controller.abort(new Error("ended by the user"));
    });
  }
  return controller.signal;
}

/** A line that tells what goes on: replaced by the next one on a terminal; elsewhere only what changes more than its numbers is told. */
function teller(): (text: string) => void {
  let last = "";
  return (text) => {
    const words = text.replaceAll(/\d+/g, "");
    if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
    else if (words !== last) process.stderr.write(`${text}\n`);
    last = words;
  };
}

async function runAll(scenario: Scenario, options: Options, signal: AbortSignal): Promise<readonly Outcome[]> {
  const say = teller();
  const outcomes: Outcome[] = [];
  await using lab = await Lab.open(options, signal, say);
  await lab.events(options.events);
  for (let i = 0; i < options.runs && !signal.aborted; i++) {
    say(`run ${i + 1} of ${options.runs}`);
    const outcome = await scenario.run(lab).catch(unlessAborted(signal));
    if (!outcome) break;
    outcomes.push(outcome);
    say(`run ${i + 1} of ${options.runs}: ${outcome.notes.join("; ")}`);
    process.stderr.write(process.stderr.isTTY ? "\n" : "");
  }
  return outcomes;
}

/** A run that could give nothing because it was ended early is no error. */
function unlessAborted(signal: AbortSignal): (error: unknown) => undefined {
  return (error) => {
    if (!signal.aborted) throw error;
  };
}

async function main(): Promise<void> {
  const { scenario: name, options } = parseOptions(process.argv.slice(2), scenarios);
  const scenario = scenarios.get(name);
  if (!scenario) return;
  const outcomes = await runAll(scenario, options, interruptible());
  const figures = summarize(outcomes.map((outcome) => outcome.figures));
  process.stdout.write(`${table(figures, outcomes.length)}\n`);
  if (options.json === undefined) return;
  const { runs: _runs, json: _json, ...parameters } = options;
  const medians = Object.fromEntries([...figures].map(([figure, { median }]) => [figure, median]));
  const report = { scenario: name, machine: machine(), versions: await versions(), date: new Date().toISOString(), parameters, figures: medians, runs: outcomes };
  await writeFile(options.json, `${JSON.stringify(report, undefined, 2)}\n`);
}

try {
  await main();
} catch (error) {
  if (!(error instanceof CommanderError)) process.stderr.write(`bench: ${messageOf(error)}\n`);
  process.exitCode = error instanceof CommanderError ? error.exitCode : 1;
}
