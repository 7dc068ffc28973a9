/** What the scripts that run for long have in common with wsmand's commands: exit code 2 for a wrong command line, a quiet end when nobody reads any more, and a word on Ctrl-C and where a supervisor ends them. */
import { closeSync, openSync } from "node:fs";
import { CommanderError, type Command } from "commander";
import { messageOf } from "../src/domain/errors.ts";
import { unwritable } from "../src/domain/file-reasons.ts";

const usageCode = 2;
/** Signals that ask for an end, with the exit codes that shells give them. */
const endings = [["SIGHUP", 129], ["SIGINT", 130], ["SIGTERM", 143]] as const;
/** Signals that follow the first one within this time, milliseconds, say nothing new: npm passes Ctrl-C on to a child that the terminal has told already. */
const echoMs = 500;
/** How long what is taken away before the end may take by default, milliseconds. */
const leaveMs = 20_000;

/** What happens when a signal ends a script. */
export interface Interruption {
  /** What was done until now, in words. */
  readonly soFar: () => string;
  /** What would stay behind, if anything would that is not gone with the process. */
  readonly behind?: Behind;
}

/** What a script takes away before it ends. */
export interface Behind {
  /** Takes it away, for so long at most as {@link Behind.withinMs}; another signal ends that. */
  readonly leave: () => Promise<void>;
  /** What is there still, in words; "" for nothing. It is told when the script ends. */
  readonly left: () => string;
  /** Milliseconds; default twenty seconds. */
  readonly withinMs?: number;
}

/**
 * Reads the command line and does the work; an error is told in a line, with exit code 1.
 * @param interruption should a signal end it; undefined in a process that works for another one, and ends without a word.
 */
export async function runScript(program: Command, work: () => Promise<void>, interruption: Interruption | undefined): Promise<void> {
  process.stdout.on("error", (error: Error) => endWithoutOutput(error));
  const interrupted = endOnSignals(interruption);
  try {
    program.exitOverride().parse();
    await work();
  } catch (error) {
    // Commander has told what is wrong, or shown the help.
    if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : usageCode;
    // What fails because all is being taken away is no news.
    else if (!interrupted()) {
      process.stderr.write(`error: ${messageOf(error)}\n`);
      process.exitCode = 1;
    }
  }
}

/** Gives whether one has come. */
function endOnSignals(interruption: Interruption | undefined): () => boolean {
  let firstAt: number | undefined;
  for (const [signal, code] of endings) {
    process.on(signal, () => {
      const now = performance.now();
      if (firstAt === undefined) {
        firstAt = now;
        end(code, interruption);
      } else if (now - firstAt > echoMs) endTelling(code, "interrupted again", interruption?.behind);
    });
  }
  return () => firstAt !== undefined;
}

function end(code: number, interruption: Interruption | undefined): void {
  if (interruption) process.stderr.write(`${process.stderr.isTTY ? "\n" : ""}interrupted: ${interruption.soFar()}\n`);
  const behind = interruption?.behind;
  if (!behind) process.exit(code);
  const { withinMs = leaveMs } = behind;
  setTimeout(() => endTelling(code, `not all could be taken away within ${withinMs / 1000} s`, behind), withinMs);
  const failed = (error: unknown): unknown => process.stderr.write(`error: ${messageOf(error)}\n`);
  void behind.leave().catch(failed).then(() => endTelling(code, "not all could be taken away", behind));
}

/** Ends the process; a word tells what stays behind, if anything does. */
function endTelling(code: number, why: string, behind: Behind | undefined): never {
  const left = behind?.left() ?? "";
  if (left !== "") process.stderr.write(`${why}: ${left}\n`);
  process.exit(code);
}

/** A reader that went away has read enough; anything else, as a full disk, is an error. */
function endWithoutOutput(error: Error): never {
  if ("code" in error && error.code === "EPIPE") process.exit(process.exitCode ?? 0);
  process.stderr.write(`error: the standard output can not be written to: ${messageOf(error)}\n`);
  process.exit(1);
}

/** `1 day`, `2 days`. */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

/** Makes sure, before the work begins, that what comes of it can be written where a flag says. @throws Error that names flag and file. */
export function checkWritable(flag: string, file: string | undefined): void {
  if (file === undefined) return;
  try {
    closeSync(openSync(file, "a"));
  } catch (error) {
    throw unwritable(flag, file, error);
  }
}
