/** The inside of a part: a process that answers its parent's calls, and ends with it. */
import { z } from "zod";
import { messageOf } from "../../domain/errors.ts";

/** What a part can do, by name. What is given back must survive a structured clone. */
export type Handlers = Readonly<Record<string, (params: unknown) => unknown>>;

export const callSchema = z.object({ id: z.number(), method: z.string(), params: z.unknown() });
export const answerSchema = z.object({ id: z.number(), result: z.unknown().optional(), error: z.string().optional() });

/** Answers calls until the parent goes. */
export function serve(handlers: Handlers): void {
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
