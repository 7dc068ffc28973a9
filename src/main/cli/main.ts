/** From the process to a command and back: streams, signals, exit codes. */
import { CommanderError } from "commander";
import { systemClock } from "../../domain/clock.ts";
import { readEnvironment } from "../config/env.ts";
import { errorText, exitCodeOf, exitCodes } from "./errors.ts";
import type { Io } from "./io.ts";
import { buildProgram } from "./program.ts";
import type { Parts } from "./seams.ts";

/** How long what a command left open may keep the process, milliseconds. */
const lingerMs = 2000;

/**
 * Runs a command line to its end. The first SIGINT or SIGTERM asks the command to end, the second ends the process at once.
 * @param args without the program's own name.
 */
export async function main(args: readonly string[], parts: Parts): Promise<void> {
  const stop = new AbortController();
  handleSignals(stop);
  // Node's warnings about what libraries call are for their authors, not for who reads our output.
  process.noDeprecation = true;
  // Commands wait with timers that do not keep the process; this does, until they are done.
  const hold = setInterval(() => {}, 2 ** 30);
  process.exitCode = await runCommand(args, processIo(stop), parts);
  clearInterval(hold);
  setTimeout(() => process.exit(), lingerMs).unref();
}

/** Runs a command line; resolves with its exit code. Never rejects. */
export async function runCommand(args: readonly string[], io: Io, parts: Parts): Promise<number> {
  let code: number = exitCodes.ok;
  try {
    const program = buildProgram(io, parts, (result) => {
      code = result;
    });
    await program.parseAsync([...args], { from: "user" });
    return code;
  } catch (error) {
    // Commander has told what is wrong, or shown the help that was asked for.
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
    if (io.signal.aborted && io.signal.reason === brokenPipe) return exitCodes.ok;
    io.stderr.write(errorText(error));
    return exitCodeOf(error);
  }
}

/** Reason of the signal when nobody reads our output any more. */
const brokenPipe = "broken pipe";

function processIo(stop: AbortController): Io {
  process.stdout.on("error", () => stop.abort(brokenPipe));
  process.stderr.on("error", () => {});
  return {
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    env: readEnvironment(),
    clock: systemClock,
    random: Math.random,
    signal: stop.signal,
    onExit(callback) {
      process.once("exit", callback);
      return () => process.off("exit", callback);
    },
  };
}

function handleSignals(stop: AbortController): void {
  for (const [name, number] of [["SIGINT", 2], ["SIGTERM", 15]] as const) {
    process.on(name, () => {
      if (stop.signal.aborted) process.exit(128 + number);
      stop.abort(name);
    });
  }
}
