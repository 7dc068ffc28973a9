/** What the parts of a soak find (see parts/visitors.ts, churn.ts and caller.ts). Histograms are packed; problems are the first few that there were, in words. */
import { z } from "zod";
import { timelineSchema } from "./timeline.ts";

/** Of subscribers that come and go. */
export const visitsSchema = z.object({
  /** Visitors that came; whose stream failed or was ended; that lacked something when their time was up; that could not come since too many were there. */
  connects: z.number(),
  failures: z.number(),
  incomplete: z.number(),
  skipped: z.number(),
  repeated: z.number(),
  reordered: z.number(),
  problems: z.array(z.string()),
  /** From when a visitor was due to when it had all that it was owed: a packed histogram; and the longest over time since `startedAt`. */
  complete: z.string(),
  slowest: timelineSchema,
  messages: timelineSchema,
  startedAt: z.number(),
  share: z.number(),
});

/** See {@link visitsSchema}. */
export type Visits = z.infer<typeof visitsSchema>;

/** Of workspaces that come and go. */
export const churnSchema = z.object({
  /** Workspaces that were deleted; of these, told as STOPPED; and not within the time that they have. */
  deleted: z.number(),
  stopped: z.number(),
  missing: z.number(),
  /** STOPPED a second time; another status after it; STOPPED before the deletion. */
  again: z.number(),
  afterwards: z.number(),
  early: z.number(),
  /** Workspaces that were made and not told of in time. */
  unseen: z.number(),
  /** What the cluster refused. */
  failures: z.number(),
  skipped: z.number(),
  problems: z.array(z.string()),
  /** From the order to the status: histograms. */
  toldDelays: z.string(),
  stoppedDelays: z.string(),
  share: z.number(),
});

/** See {@link churnSchema}. */
export type Churn = z.infer<typeof churnSchema>;

const optional = z.number().optional();
/** What the metrics told at a time; what a daemon does not export is left out. Memory in MiB; heaps are the main thread's, in use and as taken from the system. */
const scrapeSchema = z.object({
  at: z.number(),
  rssMb: optional, heapMb: optional, heapTotalMb: optional, externalMb: optional, cacheMb: optional,
  /** Longest delay of the event loop since the scrape before, milliseconds. */
  loopDelayMs: optional,
  subscribers: optional,
  /** Since the daemon's start. */
  relists: optional, skippedPods: optional, workerRestarts: optional, endedStalled: optional,
});

/** A look at the daemon's metrics. */
export type Scrape = z.infer<typeof scrapeSchema>;

/** Of calls and scrapes. */
export const callsSchema = z.object({
  gets: z.number(),
  describes: z.number(),
  /** Calls that failed or whose answer was wrong. */
  failures: z.number(),
  getDelays: z.string(),
  describeDelays: z.string(),
  scrapes: z.number(),
  scrapeFailures: z.number(),
  seen: z.array(scrapeSchema),
  problems: z.array(z.string()),
  share: z.number(),
});

/** See {@link callsSchema}. */
export type Calls = z.infer<typeof callsSchema>;
