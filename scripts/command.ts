/** What the scripts that run for long have in common with wsmand's commands: exit code 2 for a wrong command line, a quiet end when nobody reads any more, and a word on Ctrl-C. */
import { closeSync, openSync } from "node:fs";
import { CommanderError, type Command } from "commander";
import { messageOf } from "../src/domain/errors.ts";
import { unwritable } from "../src/domain/file-reasons.ts";

const usageCode = 2;
const interruptedCode = 130;

/**
 * Reads the command line and does the work; an error is told in a line, with exit code 1.
 * @param soFar what was done until now, in words, should Ctrl-C end it; undefined in a process that works for another one, and ends without a word.
 */
export async function runScript(program: Command, work: () => Promise<void>, soFar: (() => string) | undefined): Promise<void> {
  process.stdout.on("error", (error: Error) => endWithoutOutput(error));
  process.once("SIGINT", () => {
    if (soFar) process.stderr.write(`${process.stderr.isTTY ? "\n" : ""}interrupted: ${soFar()}\n`);
    process.exit(interruptedCode);
  });
  try {
    program.exitOverride().parse();
    await work();
  } catch (error) {
    // Commander has told what is wrong, or shown the help.
    if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : usageCode;
    else {
      process.stderr.write(`error: ${messageOf(error)}\n`);
      process.exitCode = 1;
    }
  }
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
