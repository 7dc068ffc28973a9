/** The load tool as a command, `wsmand bench SCENARIO [flags]`: reads the command line, runs the scenario as often as was asked for, reports. */
import { writeFile } from "node:fs/promises";
import { Lab } from "./lab.ts";
import { parseOptions } from "./options.ts";
import type { Options } from "./options.ts";
import { htmlReport } from "./report/html.ts";
import { reportOf } from "./report/report.ts";
import { table } from "./report/table.ts";
import { scenarios } from "./scenarios/index.ts";
import type { Outcome, Scenario } from "./scenarios/scenario.ts";

/** A stream of text, a terminal perhaps. */
export interface Output {
  write(text: string): unknown;
  readonly isTTY?: boolean | undefined;
}

/** What the command has of its process. */
export interface BenchIo {
  readonly stdout: Output;
  /** Progress goes here. */
  readonly stderr: Output;
  /** Aborts when the user wants an end: what was measured until then is reported. */
  readonly signal: AbortSignal;
}

/**
 * Runs the load tool.
 * @param args what stands behind `bench`.
 * @throws CommanderError, after having told, for a wrong command line and for --help; Error if something can not be measured.
 */
export async function bench(args: readonly string[], io: BenchIo): Promise<void> {
  const { scenario: name, options } = parseOptions(args, scenarios, io);
  const scenario = scenarios.get(name);
  if (!scenario) return;
  const { outcomes, failure } = await runAll(scenario, options, io);
  // What was measured before is reported all the same.
  if (failure && outcomes.length === 0) throw failure;
  try {
    const report = await reportOf(name, options, outcomes);
    io.stdout.write(`${table(report.summary, outcomes.length)}\n`);
    if (options.json !== undefined) await writeFile(options.json, `${JSON.stringify(report.json, undefined, 2)}\n`);
    if (options.html !== undefined) await writeFile(options.html, await htmlReport(report.json));
  } catch (error) {
    // Why a run failed says more than that the rest can not be written.
    throw failure ?? error;
  }
  if (failure) throw failure;
}

/** Runs, until one fails or the user wants an end. */
async function runAll(scenario: Scenario, options: Options, { signal, stderr }: BenchIo): Promise<{ readonly outcomes: readonly Outcome[]; readonly failure: Error | undefined }> {
  const say = teller(stderr);
  const outcomes: Outcome[] = [];
  await using lab = await Lab.open(options, signal, say, scenario);
  await lab.events(options.events).catch(unlessAborted(signal));
  for (let i = 0; i < options.runs && !signal.aborted; i++) {
    say(`run ${i + 1} of ${options.runs}`);
    const outcome = await scenario.run(lab).catch(failed(signal));
    if (outcome instanceof Error) return { outcomes, failure: new Error(`run ${i + 1} of ${options.runs}: ${outcome.message}`, { cause: outcome }) };
    if (!outcome) break;
    outcomes.push(outcome);
    say(`run ${i + 1} of ${options.runs}: ${outcome.notes.join("; ")}`);
    stderr.write(stderr.isTTY === true ? "\n" : "");
  }
  return { outcomes, failure: undefined };
}

/** A line that tells what goes on: replaced by the next one on a terminal; elsewhere only what changes more than its numbers is told. */
function teller(stderr: BenchIo["stderr"]): (text: string) => void {
  let last = "";
  return (text) => {
    const words = text.replaceAll(/\d+/g, "");
    if (stderr.isTTY === true) stderr.write(`\r\x1b[K${text}`);
    else if (words !== last) stderr.write(`${text}\n`);
    last = words;
  };
}

/** The error that a run ended with; none if it was ended early. */
function failed(signal: AbortSignal): (error: unknown) => Error | undefined {
  return (error) => (signal.aborted ? undefined : error instanceof Error ? error : new Error(String(error)));
}

/** What failed because it was ended early is no error. */
function unlessAborted(signal: AbortSignal): (error: unknown) => undefined {
  return (error) => {
    if (!signal.aborted) throw error;
  };
}
