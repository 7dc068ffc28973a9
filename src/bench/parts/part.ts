/** The outside of a part: starts the process, calls it, and makes sure that it ends. */
import { fork } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import type { z } from "zod";
import { withCompiledCode } from "../../domain/compile-cache.ts";
import { answerSchema } from "./serve.ts";

/** How long a part may take for an answer if nothing else is said, milliseconds. */
const callTimeoutMs = 120_000;
const endTimeoutMs = 10_000;

/** Short collections: the load must not be late because it tidies up. */
const nodeFlags = ["--max-semi-space-size=4", "--no-parallel-scavenge"];

interface Waiting {
  resolve(result: unknown): void;
  reject(error: Error): void;
}

/** A part of the load that answers calls (see serve.ts). End it with `await using`. */
export interface Part extends AsyncDisposable {
  /** Its process. */
  readonly pid: number;
  /** Calls a method of the part. Rejects if it fails, takes too long, or the process ends. */
  call<T>(method: string, params: unknown, result: z.ZodType<T>, timeoutMs?: number): Promise<T>;
}

/** Starts a part under a name, from a module of this folder that is named without its extension. */
export type StartPart = (name: string, module: string) => Part;

/** A part in a process of its own. */
export class PartProcess implements Part {
  readonly name: string;
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 1;
  #gone: string | undefined;

  private constructor(name: string, child: ChildProcess) {
    this.name = name;
    this.#child = child;
    child.on("message", (message) => this.#answered(message));
    child.on("error", (error) => this.#end(error.message));
    child.on("exit", (code, signal) => this.#end(`ended with ${signal ?? `code ${code}`}`));
  }

  /** Starts a module of this folder, named without its extension, in a process of its own. */
  static start(name: string, module: string): PartProcess {
    // Each in a session of its own, as the programs are (program.ts): Linux shares a busy machine among sessions first, and no side shall have more of it than another.
    return new PartProcess(name, fork(fileURLToPath(new URL(`${module}${extname(import.meta.url)}`, import.meta.url)), [], { serialization: "advanced", stdio: ["ignore", "inherit", "inherit", "ipc"], detached: true, env: withCompiledCode(process.env), execArgv: [...process.execArgv, ...nodeFlags] }));
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  async call<T>(method: string, params: unknown, result: z.ZodType<T>, timeoutMs = callTimeoutMs): Promise<T> {
    if (this.#gone !== undefined) throw new Error(`the ${this.name} ${this.#gone}`);
    const id = this.#nextId++;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const timer = setTimeout(() => reject(new Error(`the ${this.name} gave no answer to ${method} within ${timeoutMs / 1000} s`)), timeoutMs);
    this.#waiting.set(id, { resolve, reject });
    try {
      this.#child.send({ id, method, params });
      return result.parse(await promise);
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(id);
    }
  }

  /** Ends the process. */
  async [Symbol.asyncDispose](): Promise<void> {
    await endProcess(this.#child);
  }

  #answered(message: unknown): void {
    const { id, result, error } = answerSchema.parse(message);
    const waiting = this.#waiting.get(id);
    if (error === undefined) waiting?.resolve(result);
    else waiting?.reject(new Error(`the ${this.name}: ${error}`));
  }

  #end(how: string): void {
    this.#gone ??= how;
    for (const waiting of this.#waiting.values()) waiting.reject(new Error(`the ${this.name} ${how}`));
  }
}

/** Ends a child with SIGTERM, and with SIGKILL if it takes too long. */
export async function endProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), endTimeoutMs);
  await exited;
  clearTimeout(timer);
}
