/** The process as commands see it: its streams, its environment, its clock. Tests bring their own. */
import { readFile } from "node:fs/promises";
import type { Readable, Writable } from "node:stream";
import type { Clock } from "../../domain/clock.ts";
import { unreadable } from "../../domain/file-reasons.ts";
import type { Environment } from "../config/env.ts";
import { InterruptedError } from "./errors.ts";

/** A stream to write to; a terminal tells its size. */
export interface Output {
  write(text: string): boolean;
  once(event: "drain", listener: () => void): unknown;
  on(event: "resize" | "error", listener: (error?: unknown) => void): unknown;
  off(event: "resize" | "drain", listener: () => void): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
}

/** What a command works with. */
export interface Io {
  /** A terminal where nobody has given anything else: then somebody has to be told that they are waited for. */
  readonly stdin: Readable & { readonly isTTY?: boolean };
  readonly stdout: Output;
  readonly stderr: { write(text: string): unknown; readonly isTTY?: boolean };
  readonly env: Environment;
  readonly clock: Clock;
  readonly random: () => number;
  /** Aborts when the person or the system wants the command to end (SIGINT, SIGTERM, a closed pipe). */
  readonly signal: AbortSignal;
  /** Runs the callback should the process end before the command does; gives the way to forget it. */
  onExit(callback: () => void): () => void;
}

/** Columns and rows of the terminal that output goes to. One that does not know its size says zero. */
export function sizeOf(output: Output): { readonly width: number; readonly height: number } {
  return { width: output.columns || 80, height: output.rows || 24 };
}

/** Whether output, the standard one if not told, goes to a person who can see colours. */
export function wantsColor(io: Io, output: { readonly isTTY?: boolean } = io.stdout): boolean {
  return output.isTTY === true && !io.env.noColor;
}

/** What is read from the standard input, for who sits at a terminal and may not know. */
export interface Input {
  /** What it has to be, in words. */
  readonly what: string;
  /** How else it is given, or what can be done instead. */
  readonly instead: string;
  readonly maxBytes: number;
}

/** Reads all of the standard input as text; from a terminal, says first what is waited for, and how it is ended. Rejects as readAll does. */
export function readInput({ stdin, stderr }: Pick<Io, "stdin" | "stderr">, { what, instead, maxBytes }: Input): Promise<string> {
  if (stdin.isTTY === true) stderr.write(`reading ${what} from the standard input: end it with Ctrl-D on a line of its own, or ${instead}\n`);
  return readAll(stdin, maxBytes);
}

/** Reads all of a stream as text. Rejects above maxBytes, and with an InterruptedError if a signal ended the stream. */
async function readAll(stream: Readable, maxBytes: number): Promise<string> {
  const chunks: Buffer[] = [];
  let total = 0;
  try {
    for await (const chunk of stream) {
      const bytes = Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk));
      total += bytes.length;
      if (total > maxBytes) throw new Error(`the input is larger than ${maxBytes} bytes`);
      chunks.push(bytes);
    }
  } catch (error) {
    throw error instanceof Error && error.name === "AbortError" ? new InterruptedError() : error;
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** Reads the file that a flag names. @throws Error that says which flag and file, and why it can not be read. */
export async function readNamed(flag: string, file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (error) {
    throw unreadable(flag, file, error);
  }
}

/** Resolves when all that was written to the streams before is out, or can not be written any more; at once when the signal aborts. */
export async function flushed(streams: readonly Pick<Writable, "write" | "writableLength">[], signal: AbortSignal): Promise<void> {
  const waiting = streams.filter((stream) => stream.writableLength > 0);
  if (waiting.length === 0) return;
  const written = waiting.map((stream) => new Promise<void>((resolve) => void stream.write("", () => resolve())));
  await Promise.race([Promise.all(written), aborted(signal)]);
}

/** Resolves when the signal aborts. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
