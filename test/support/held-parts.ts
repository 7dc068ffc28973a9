/** Parts of the load that share a process, as the load tool takes them in place of processes of their own. */
import { z } from "zod";
import { PartProcess } from "../../src/bench/parts/part.ts";
import type { Part, StartPart } from "../../src/bench/parts/part.ts";

const nothing = z.undefined();

/** The process of the parts. */
export interface HeldParts extends AsyncDisposable {
  readonly startPart: StartPart;
}

/** Starts it. Close it with `await using`, or by its `Symbol.asyncDispose`: it takes along whatever parts have left. */
export function startHeldParts(): HeldParts {
  const host = PartProcess.start("host of the parts", "../../../test/support/part-host");
  return { startPart: (_name, module) => new HeldPart(host, module), [Symbol.asyncDispose]: () => host[Symbol.asyncDispose]() };
}

class HeldPart implements Part {
  readonly #host: PartProcess;
  readonly #number: Promise<number>;

  constructor(host: PartProcess, module: string) {
    this.#host = host;
    this.#number = host.call("start", { module }, z.number());
    this.#number.catch(() => {});
  }

  get pid(): number {
    return this.#host.pid;
  }

  async call<T>(method: string, params: unknown, result: z.ZodType<T>, timeoutMs?: number): Promise<T> {
    return this.#host.call("call", { part: await this.#number, method, params }, result, timeoutMs);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // A host that is gone has taken it along.
    await this.#number.then(async (part) => this.#host.call("end", { part }, nothing)).catch(() => undefined);
  }
}
