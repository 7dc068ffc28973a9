/** What is asked of the part that lets workspaces live (parts/lifer.ts), and what it tells. */
import { z } from "zod";
import { endpointSchema } from "../parts/endpoint.ts";
import { timelineSchema } from "./timeline.ts";

export const openLivesSchema = z.object({
  kubeconfig: z.string(),
  namespace: z.string(),
  endpoint: endpointSchema,
  /** Of the workspaces. */
  owner: z.string(),
  /** Bytes of a pod, about. */
  size: z.number(),
  image: z.string().optional(),
  ideImage: z.string().optional(),
  supervisorImage: z.string().optional(),
});

export const runLivesSchema = z.object({
  perSecond: z.number(),
  seconds: z.number(),
  /** From RUNNING to the stop, milliseconds. */
  stayMs: z.number(),
  /** What node daemons take, milliseconds. */
  initMs: z.number(),
  disposeMs: z.number(),
});

export const livedSchema = z.object({
  /** Starts that were asked for, and those that were answered. */
  asked: z.number(),
  started: z.number(),
  /** IDs of the workspaces that were told as RUNNING. */
  ran: z.array(z.string()),
  /** Calls that failed; starts that were answered and not told as RUNNING; stops that were answered and not told as STOPPED. */
  failures: z.number(),
  lost: z.number(),
  stoppedMissing: z.number(),
  /** Of those that ran: told as failed in the end, and told without a complete backup. */
  failed: z.number(),
  unsaved: z.number(),
  /** Workspaces that had a second pod. */
  twice: z.number(),
  again: z.number(),
  afterwards: z.number(),
  early: z.number(),
  /** Packed histograms. */
  start: z.string(),
  startOverhead: z.string(),
  stop: z.string(),
  stopOverhead: z.string(),
  late: z.string(),
  /** How many were told as RUNNING, and as STOPPED, over time since `begunAt`. */
  begunAt: z.number(),
  runningOverTime: timelineSchema,
  stoppedOverTime: timelineSchema,
  /** What went wrong, the first few. */
  problems: z.array(z.string()),
  /** The bare watch was ended by the API server: what the cluster took is not known of all. */
  interrupted: z.boolean(),
  share: z.number(),
});

/** See {@link runLivesSchema}. */
export type RunLives = z.infer<typeof runLivesSchema>;
/** See {@link livedSchema}. */
export type Lived = z.infer<typeof livedSchema>;
