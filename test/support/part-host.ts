/** Part: a process that holds parts of the load together, for tests that ask whether the tool works and not how fast anything is. Each has its own state; what they import is loaded once. */
import { z } from "zod";
import { holdParts, serve } from "../../src/bench/parts/serve.ts";
import type { Handlers } from "../../src/bench/parts/serve.ts";

const startSchema = z.object({ module: z.string() });
const callSchema = z.object({ part: z.number(), method: z.string(), params: z.unknown() });

/** By their numbers. What a part leaves open when it is ended goes with this process. */
const parts = new Map<number, Handlers>();
let started = 0;
/** One is loaded after the other, so that it is known whose handlers come. */
let loading: Promise<unknown> = Promise.resolve();

serve({
  /** Gives the part's number. */
  start: (params) => {
    const { module } = startSchema.parse(params);
    const number = ++started;
    const loaded = loading.then(async () => {
      holdParts((handlers) => parts.set(number, handlers));
      // A module of its own for each: with another query it is another one, what it imports is not.
      await import(new URL(`../../src/bench/parts/${module}.ts?${number}`, import.meta.url).href);
      return number;
    });
    loading = loaded.catch(() => {});
    return loaded;
  },
  call: (params) => {
    const { part, method, params: passed } = callSchema.parse(params);
    const handler = parts.get(part)?.[method];
    if (!handler) throw new Error(`no such method: ${method}`);
    return handler(passed);
  },
  end: (params) => void parts.delete(z.object({ part: z.number() }).parse(params).part),
});
