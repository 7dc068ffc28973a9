/** From the process to a command and back: streams, signals, exit codes. */
import { addAbortSignal, type Readable } from "node:stream";
import { CommanderError } from "commander";
import { systemClock } from "../../domain/clock.ts";
import { reasonOf } from "../../domain/file-reasons.ts";
import { readEnvironment } from "../config/env.ts";
import { errorText, exitCodeOf, exitCodes, InterruptedError } from "./errors.ts";
import { flushed, type Io } from "./io.ts";
import { buildProgram } from "./program.ts";
import type { Parts } from "./seams.ts";

/** How long what a command left open may keep the process, milliseconds. */
const lingerMs = 2000;

/** Signals that ask for an end, with their numbers: a closed terminal, Ctrl-C, a supervisor. */
const endings: ReadonlyMap<unknown, number> = new Map([["SIGHUP", 1], ["SIGINT", 2], ["SIGTERM", 15]] as const);

/**
 * Runs a command line to its end. The first signal asks the command to end, the second ends the process at once.
 * What was printed is written out first, however slowly it is read, unless a signal comes.
 * @param args without the program's own name.
 */
export async function main(args: readonly string[], parts: Parts): Promise<void> {
  const stop = new AbortController();
  handleSignals(stop);
  // Node's warnings about what libraries call are for their authors, not for who reads our output.
  process.noDeprecation = true;
  // Commands wait with timers that do not keep the process; this does, until they are done.
  const hold = setInterval(() => {}, 2 ** 30);
  const code = await runCommand(args, processIo(stop), parts);
  const asked = stop.signal.aborted;
  await flushed([process.stdout, process.stderr], stop.signal);
  // What a write to a file failed with is told a turn later.
  await new Promise<void>((resolve) => setImmediate(resolve));
  process.exitCode = tellUnwritten(stop.signal) ? exitCodes.error : code;
  if (stop.signal.aborted && !asked) process.exit(stop.signal.reason instanceof UnwrittenError ? exitCodes.error : codeWhenStopped(stop.signal));
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
    if (io.signal.aborted && (io.signal.reason === brokenPipe || error instanceof InterruptedError)) return codeWhenStopped(io.signal);
    io.stderr.write(errorText(error));
    return exitCodeOf(error);
  }
}

/** Reason of the signal when nobody reads our output any more. */
const brokenPipe = "broken pipe";

/** Reason of the signal when what is printed can not be written, on a full disk for one. */
class UnwrittenError extends Error {
  override readonly name = "UnwrittenError";

  constructor(cause: Error) {
    super(`the standard output can not be written to: ${reasonOf(cause)}`, { cause });
  }
}

/** Tells, if so, that what was printed is not where it was to go: an exit code of 0 would say it is. */
function tellUnwritten({ reason }: AbortSignal): boolean {
  if (!(reason instanceof UnwrittenError)) return false;
  process.stderr.write(errorText(reason));
  return true;
}

/** Exit code where the signal kept a command from doing what it was asked for. */
function codeWhenStopped({ reason }: AbortSignal): number {
  const number = endings.get(reason);
  return number === undefined ? exitCodes.ok : exitCodes.killed + number;
}

function processIo(stop: AbortController): Io {
  process.stdout.on("error", (error: Error) => stop.abort("code" in error && error.code === "EPIPE" ? brokenPipe : new UnwrittenError(error)));
  process.stderr.on("error", () => {});
  return {
    stdin: endingWith(stop.signal, process.stdin),
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

/** Who reads the stream is told by an error when the signal aborts. */
function endingWith<T extends Readable>(signal: AbortSignal, stream: T): T {
  // Also when no one reads it.
  stream.on("error", () => {});
  return addAbortSignal(signal, stream);
}

/** Signals that follow the first one within this time, milliseconds, say nothing new: npm passes Ctrl-C on to a child that the terminal has told already. */
const echoMs = 500;

function handleSignals(stop: AbortController): void {
  let firstAt = 0;
  for (const [name, number] of endings) {
    process.on(String(name), () => {
      if (!stop.signal.aborted) firstAt = performance.now();
      else if (performance.now() - firstAt > echoMs) process.exit(exitCodes.killed + number);
      stop.abort(name);
    });
  }
}
