/** Starts wsmand's own program (daemon, built-in cluster) in a process that ends with this one, however this one ends. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import { endProcess } from "./part.ts";

/** Preloaded into the program: when the load tool is gone, killed even, so is the program. */
const endWithParent = `data:text/javascript,${encodeURIComponent('process.once("disconnect",()=>process.kill(process.pid,"SIGKILL"));process.channel?.unref()')}`;
/** Last lines of output that are kept, for the message if it does not start. */
const keptLines = 20;

/** A program that runs. */
export interface Program {
  readonly pid: number;
  /** Lines of its output, from its begin; only the last few are kept. Resolves with what `found` makes of a line; rejects when it ends, or at the deadline. */
  line<T>(found: (line: string) => T | undefined, what: string, timeoutMs: number): Promise<T>;
  end(): Promise<void>;
}

/** Starts the program's entry (dist/main/index.js, or the source) with arguments. @param nodeFlags Node's own, for a process that is not what is measured. */
export function startProgram(entry: string, args: readonly string[], nodeFlags: readonly string[] = []): Program {
  const child = spawn(process.execPath, [...nodeFlags, "--import", endWithParent, entry, ...args], { stdio: ["ignore", "pipe", "pipe", "ipc"], detached: true });
  const output = new Output(child);
  return { pid: child.pid ?? 0, line: (found, what, timeoutMs) => output.line(found, what, timeoutMs), end: () => endProcess(child) };
}

/** A child's output, line by line. */
class Output {
  readonly #child: ChildProcess;
  readonly #kept: string[] = [];
  readonly #listeners = new Set<(line: string) => void>();

  constructor(child: ChildProcess) {
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) if (stream) createInterface({ input: stream }).on("line", (line) => this.#take(line));
  }

  async line<T>(found: (line: string) => T | undefined, what: string, timeoutMs: number): Promise<T> {
    for (const line of this.#kept) {
      const result = found(line);
      if (result !== undefined) return result;
    }
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const listener = (line: string): void => {
      const result = found(line);
      if (result !== undefined) resolve(result);
    };
    const failed = (how: string): void => reject(new Error(`${what}: ${how}\n${this.#kept.join("\n")}`));
    const exited = (): void => failed("the process ended");
    const timer = setTimeout(() => failed(`not within ${timeoutMs / 1000} s`), timeoutMs);
    this.#listeners.add(listener);
    this.#child.once("close", exited).once("error", exited);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#listeners.delete(listener);
      this.#child.off("close", exited).off("error", exited);
    }
  }

  #take(line: string): void {
    this.#kept.push(line);
    if (this.#kept.length > keptLines) this.#kept.shift();
    for (const listener of this.#listeners) listener(line);
  }
}
