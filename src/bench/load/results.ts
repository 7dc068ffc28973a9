/** What the parts of a measurement find (see parts/): the shape of their answers, without what they are made of. Histograms are packed. */
import { z } from "zod";
import { countedSchema } from "./counted.ts";

/** Of the writer: what became of the changes. */
export const writtenSchema = z.object({
  /** Per workspace, the newest change that was taken; -1 for none. */
  written: z.instanceof(Float64Array),
  sent: z.number(),
  failed: z.number(),
  /** From when a change was due to when it went out; and to the API server's answer. Packed histograms. */
  late: z.string(),
  answered: z.string(),
  /** Share of its time that the writer's own thread was busy. */
  share: z.number(),
});

/** Of subscribers, at the end of a plan. */
export const balanceSchema = z.object({
  delivered: z.number(), coalesced: z.number(), repeated: z.number(), reordered: z.number(), lost: z.number(),
  delays: z.string(),
  lastAt: z.instanceof(Float64Array),
  reached: z.instanceof(Uint32Array),
  deliveredPerSecond: z.instanceof(Float64Array),
  longestPerSecond: z.instanceof(Float64Array),
  gapPerSecond: z.instanceof(Float64Array),
  /** Streams that ended before they were closed, and why the first one did. */
  ended: z.number(),
  why: z.string(),
  share: z.number(),
});

/** Of subscribers that only count. */
export const countsSchema = z.object({ messages: z.number(), bytes: z.number(), frames: z.array(z.instanceof(Uint8Array)), at: z.number(), share: z.number() });

/** Of subscribers that come at a rate. */
export const arrivedSchema = z.object({
  came: z.number(),
  /** Milliseconds from when a subscriber was due to come: to the response headers, and to its last initial status. */
  opened: z.array(z.number()),
  complete: z.array(z.number()),
  ended: z.number(),
  why: z.string(),
  messages: z.number(),
  /** How many messages came, over time. */
  counted: countedSchema,
  share: z.number(),
});

/** Of the bare watch. */
export const arrivalsSchema = z.object({
  /** Per change, when its line was complete on the machine's clock; 0: it was not seen. */
  at: z.instanceof(Float64Array),
  lines: z.number(),
  bytes: z.number(),
  /** Lines that carried an older change than one before: then it was written so, and no daemon's fault. */
  disordered: z.number(),
  /** See {@link Standstills}. */
  gapPerSecond: z.instanceof(Float64Array),
  /** The watch ended before it was closed. */
  ended: z.boolean(),
  /** Share of its time that the watch's own thread was busy: if it lags, changes seem to have come later than they did. */
  share: z.number(),
});

/** Of threads that only parse. */
export const parserSchema = z.object({ perSecond: z.number(), cpuMicrosPerLine: z.number() });

/** Of scrapes and probes. */
export const scrapedSchema = z.object({
  answers: z.number(),
  failed: z.number(),
  /** Why the first one failed. */
  why: z.string(),
  /** Length of the answers' bodies, all together. */
  bytes: z.number(),
  /** From a request to its whole answer. A packed histogram. */
  delays: z.string(),
  /** When an answer came, and what it told of the metric. */
  told: z.array(z.object({ at: z.number(), value: z.number() })),
  /** From the first to the last of them, milliseconds. */
  timeMs: z.number(),
  share: z.number(),
});
