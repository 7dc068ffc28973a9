/** What is asked of the part that makes calls (parts/callers.ts), and what it tells. */
import { z } from "zod";
import { endpointSchema } from "../parts/endpoint.ts";
import { countedSchema } from "./counted.ts";
import { paceSchema } from "./pace.ts";

const bytes: z.ZodType<Uint8Array> = z.instanceof(Uint8Array);

/** Stands where a call's workspace ID goes. As long as any ID of {@link idsFrom}, so that encoded messages stay what they are. */
export const idPlaceholder = "00000000-0000-4000-a000-000000000000";

/** Who is called: a workspace manager, whose methods are the paths, or the API server that `openApi` named. */
const targetSchema = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("grpc"), endpoint: endpointSchema, connections: z.number() }),
  z.object({ kind: z.literal("api"), method: z.enum(["POST", "PATCH"]), contentType: z.string() }),
]);

/** What is called. */
const workSchema = z.discriminatedUnion("kind", [
  /** Calls in turn, beginning with number `first` (0 unless it is said), after the last one the first one again. An answer that is not, to the byte, what is expected counts as different. */
  z.object({ kind: z.literal("tasks"), first: z.number().optional(), tasks: z.array(z.object({ path: z.string(), request: bytes, answer: bytes.optional() })) }),
  /** One call for each ID, which stands in path and request in the placeholder's place. One with `after` waits until the call for the same ID of the run of that name, which was begun before, is over. */
  z.object({ kind: z.literal("each"), path: z.string(), request: bytes, ids: z.array(z.string()), name: z.string().optional(), after: z.string().optional() }),
]);

export const runSchema = z.object({ target: targetSchema, work: workSchema, pace: paceSchema });

export const calledSchema = z.object({
  sent: z.number(),
  failed: z.number(),
  /** Why the first one failed. */
  why: z.string(),
  different: z.number(),
  bytes: z.number(),
  /** From when a call was due to its whole answer, and to when it was made (see load/pace.ts). Packed histograms. */
  delays: z.string(),
  late: z.string(),
  from: z.number(),
  to: z.number(),
  share: z.number(),
  /** With an ID each: 1 for those whose call was answered, in order; nothing otherwise. */
  answered: bytes,
  /** How many were answered, over time. */
  counted: countedSchema,
});

/** See {@link targetSchema}. */
export type Target = z.infer<typeof targetSchema>;
/** See {@link workSchema}. */
export type Work = z.infer<typeof workSchema>;
/** See {@link runSchema}. */
export type CallRun = z.infer<typeof runSchema>;
/** See {@link calledSchema}. */
export type Called = z.infer<typeof calledSchema>;
