/** The load tool as a command, `wsmand bench SCENARIO [flags]`: reads the command line, runs the scenario as often as was asked for, reports. */
import { resolve } from "node:path";
import { messageOf } from "../domain/errors.ts";
import { Lab } from "./lab.ts";
import type { StartPart } from "./parts/part.ts";
import { parseOptions } from "./options.ts";
import type { Asked, Options } from "./options.ts";
import { checkFiles, writeFiles } from "./report/files.ts";
import type { ReportFile } from "./report/files.ts";
import { htmlReport } from "./report/html.ts";
import { leftOut, leftOutNote } from "./report/left-out.ts";
import { reportOf } from "./report/report.ts";
import type { ReportJson } from "./report/report.ts";
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
  /** How parts of the load are started; default: each in a process of its own. */
  readonly startPart?: StartPart | undefined;
}

/**
 * Runs the load tool.
 * @param args what stands behind `bench`.
 * @returns whether anything was measured: not if the user wanted an end before that.
 * @throws CommanderError, after having told, for a wrong command line and for --help; Error if something can not be measured, or a file of the report not be written.
 */
export async function bench(args: readonly string[], io: BenchIo): Promise<boolean> {
  const asked = parseOptions(args, scenarios, io);
  const { scenario, options } = asked;
  await checkFiles(filesOf(options));
  // Nothing that is told stands behind the progress of something that is over.
  const { outcomes, failure } = await runAll(scenario, options, io).finally(() => io.stderr.write(lineStart(io.stderr)));
  // What was measured before is reported all the same.
  if (outcomes.length > 0) await report(asked, outcomes, io).catch((error: unknown) => failBoth(failure, error));
  if (failure) throw failure;
  if (outcomes.length === 0) lineTo(io.stderr, "ended early: nothing was measured yet");
  return outcomes.length > 0;
}

async function report(asked: Asked<Scenario>, outcomes: readonly Outcome[], { stdout, stderr }: BenchIo): Promise<void> {
  const { summary, json } = await reportOf(asked, outcomes);
  const left = Object.fromEntries(outcomes.flatMap((outcome) => Object.entries(outcome.leftOut ?? {})));
  stdout.write(`${table(summary, outcomes.length, left)}\n`);
  await writeFiles(filesOf(asked.options, json), ({ flag, path }) => lineTo(stderr, `${flag}: written to ${resolve(path)}`));
}

/** @param json the report; without it the files are only named. */
function filesOf({ json: jsonPath, html: htmlPath }: Options, json?: ReportJson): readonly ReportFile[] {
  return [
    ...(jsonPath === undefined ? [] : [{ flag: "--json", path: jsonPath, content: () => (json ? `${JSON.stringify(json, undefined, 2)}\n` : "") }]),
    ...(htmlPath === undefined ? [] : [{ flag: "--html", path: htmlPath, content: () => (json ? htmlReport(json) : "") }]),
  ];
}

/** Why a run failed says more than that the rest can not be written; both are told. */
function failBoth(failure: Error | undefined, error: unknown): never {
  throw failure ? new Error(`${failure.message}\n${messageOf(error)}`, { cause: failure }) : error;
}

/** Runs, until one fails or the user wants an end. */
async function runAll(scenario: Scenario, options: Options, { signal, stderr, startPart }: BenchIo): Promise<{ readonly outcomes: readonly Outcome[]; readonly failure: Error | undefined }> {
  const say = teller(stderr);
  const outcomes: Outcome[] = [];
  await using lab = await Lab.open(options, { signal, say, tell: (text) => lineTo(stderr, text), startPart }, scenario).catch(unlessAborted(signal));
  if (!lab) return { outcomes, failure: undefined };
  await lab.events(options.events).catch(unlessAborted(signal));
  for (let i = 0; i < options.runs && !signal.aborted; i++) {
    const run = `run ${i + 1} of ${options.runs}`;
    say(run);
    const outcome = await runOnce(scenario, lab, stderr);
    if (outcome instanceof Error) return { outcomes, failure: new Error(`${run}: ${outcome.message}`, { cause: outcome }) };
    if (!outcome) {
      if (outcomes.length > 0) lineTo(stderr, `${run} was ended early, and is left out`);
      break;
    }
    outcomes.push(outcome);
    lineTo(stderr, `${run}:`);
    for (const note of outcome.notes) stderr.write(`  ${note}\n`);
  }
  return { outcomes, failure: undefined };
}

/** Gives what a run found, or the error that it ended with; undefined: it was ended before there was anything. */
async function runOnce(scenario: Scenario, lab: Lab, stderr: BenchIo["stderr"]): Promise<Outcome | Error | undefined> {
  const { signal } = lab;
  const found = await scenario.run(lab).catch(failed(signal));
  const noted = lab.takeNotes();
  // What a run gives that was ended in its warm-up looks like figures, and is none: nothing lost, of nothing.
  if (found && !(found instanceof Error) && (lab.takeMeasured() || !signal.aborted)) {
    const left = leftOut(scenario.needs ?? {}, found.figures, { options: lab.options, seen: lab.sawDaemon, complete: !signal.aborted });
    return { ...found, notes: [...noted, ...leftOutNote(left), ...found.notes], ...(Object.keys(left).length > 0 && { leftOut: left }) };
  }
  // Something may be left that has to be cleaned up by hand.
  for (const note of noted) lineTo(stderr, note);
  return found instanceof Error ? found : undefined;
}

/** A line of its own, in place of what a terminal shows of the progress. */
function lineTo(stderr: BenchIo["stderr"], text: string): void {
  stderr.write(`${lineStart(stderr)}${text}\n`);
}

/** Takes away what a terminal shows of the progress; elsewhere each line has its end. */
function lineStart(stderr: BenchIo["stderr"]): string {
  return stderr.isTTY === true ? "\r\x1b[K" : "";
}

/** A line that tells what goes on: replaced by the next one on a terminal; elsewhere only what changes more than its numbers is told. */
function teller(stderr: BenchIo["stderr"]): (text: string) => void {
  let last = "";
  return (text) => {
    const words = text.replaceAll(/\d+/g, "");
    if (stderr.isTTY === true) stderr.write(`${lineStart(stderr)}${text}`);
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
