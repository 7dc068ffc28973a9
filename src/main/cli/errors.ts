/** Errors of commands: what the person is told, what they can do, and the exit code. */
import { messageOf } from "../../domain/errors.ts";
import type { Io } from "./io.ts";
import { sanitize, sanitizeLines, toSafeJson } from "./text.ts";

/** Exit codes of all commands; to `killed` the number of the signal is added, as shells do. */
export const exitCodes = { ok: 0, error: 1, usage: 2, killed: 128 } as const;

/** A command that can not go on. Never shown with a stack trace. */
export class CliError extends Error {
  override readonly name = "CliError";
  readonly hint: string | undefined;
  readonly exitCode: number;

  constructor(message: string, options: { hint?: string | undefined; exitCode?: number; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.hint = options.hint;
    this.exitCode = options.exitCode ?? exitCodes.error;
  }
}

/** A command line that makes no sense. */
export function usageError(message: string, hint?: string): CliError {
  return new CliError(message, { hint, exitCode: exitCodes.usage });
}

/** Lines for the standard error. */
export function errorText(error: unknown): string {
  if (error instanceof CliError) {
    const hint = error.hint === undefined ? [] : [`hint: ${sanitize(error.hint)}`];
    return [...sanitizeLines(`error: ${error.message}`), ...hint, ""].join("\n");
  }
  return [...sanitizeLines(`error: ${error instanceof Error ? error.message : String(error)}`), ""].join("\n");
}

/** The cause in what libraries say around it: grpc-js wraps errors of sockets, OpenSSL tells where in its own code it gave up. */
export function plainCause(text: string): string {
  return text
    .replace(/No connection established\. Last error: (?:Error: )?([\s\S]*?)\. Resolution note: [\s\S]*$/, "$1")
    .replace(/No address added out of total \d+ resolved errors: \[([^,\]]*)[^\]]*\]/, "$1")
    .replace(/[0-9A-F]{8,}:error:[0-9A-F]+:[^:\n]*:[^:\n]*:([^:\n]+):[^\n]*/g, "TLS failed: $1")
    .trimEnd();
}

/**
 * How a command fails that answers an object on its standard input with one on its standard output: a program that gives it one after the other reads `{"error": ...}` where it reads all else.
 * People have the words on the standard error, wherever the output goes. Gives the exit code. @throws the error, where words alone are to be told.
 */
export function failWithJson({ stdout, stderr }: Pick<Io, "stdout" | "stderr">, error: unknown): number {
  if (stdout.isTTY === true || error instanceof InterruptedError) throw error;
  stdout.write(`${toSafeJson({ error: messageOf(error) })}\n`);
  stderr.write(errorText(error));
  return exitCodeOf(error);
}

/** Exit code for an error. */
export function exitCodeOf(error: unknown): number {
  return error instanceof CliError ? error.exitCode : exitCodes.error;
}

/** Work that was given up because the signal asked for the end: whoever gave it knows. */
export class InterruptedError extends Error {
  override readonly name = "InterruptedError";

  constructor() {
    super("interrupted");
  }
}
