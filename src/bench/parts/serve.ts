/** The inside of a part: a process that answers its parent's calls, and ends with it. */
import { z } from "zod";
import { messageOf } from "../../domain/errors.ts";

/** What a part can do, by name. What is given back must survive a structured clone. */
export type Handlers = Readonly<Record<string, (params: unknown) => unknown>>;

export const callSchema = z.object({ id: z.number(), method: z.string(), params: z.unknown() });
export const answerSchema = z.object({ id: z.number(), result: z.unknown().optional(), error: z.string().optional() });

/** Who takes the parts that this process loads. */
let holder: ((handlers: Handlers) => void) | undefined;

/** Lets a process hold several parts: those that are loaded from now on are given to `take`, and answer no parent. A measurement keeps them apart; what proves that the tool works need not. */
export function holdParts(take: (handlers: Handlers) => void): void {
  holder = take;
}

/** Answers calls until the parent goes, or whoever holds the parts of this process. */
export function serve(handlers: Handlers): void {
  if (holder) {
    holder(handlers);
    return;
  }
  // Ctrl-C reaches the whole group of processes; the parent decides what it means.
  process.on("SIGINT", () => {});
  // An end in order: what was compiled is kept for the next one.
  process.on("SIGTERM", () => process.exit(0));
  process.on("disconnect", () => process.exit(0));
  process.on("message", (message) => void answer(handlers, message));
}

async function answer(handlers: Handlers, message: unknown): Promise<void> {
  const { id, method, params } = callSchema.parse(message);
  let reply: z.infer<typeof answerSchema>;
  try {
    const handler = handlers[method];
    if (!handler) throw new Error(`no such method: ${method}`);
    reply = { id, result: await handler(params) };
  } catch (error) {
    reply = { id, error: messageOf(error) };
  }
  process.send?.(reply);
}
