/** The plan of a load: which change is due when, on which workspace, and how a delivered status tells which change it carries. */
import { z } from "zod";
import { machineNow } from "./clock.ts";

/** Name under which a change's number stands in `metadata.annotations` of the status. */
export const stampKey = "bench";
/** The pod's annotation that becomes {@link stampKey} in the status. */
export const stampAnnotation = `gitpod.io/annotation.${stampKey}`;

export const planSchema = z.object({
  /** Number of the first change. Later plans on the same pods begin higher, so that older statuses are told apart. */
  base: z.number(),
  /** Changes in all. */
  total: z.number(),
  /** Workspaces, and the one that change 0 is one of: each of the next changes is one of the next workspace, in a circle. */
  workspaces: z.number(),
  first: z.number(),
  /** Time between changes, milliseconds. */
  interval: z.number(),
  /** When the first change is due, on the machine's clock. */
  startAt: z.number(),
  /** Changes before this one warm everything up and are not measured. */
  measuredFrom: z.number(),
});

/** A load at a fixed rate. Changes are numbered from 0 in all code; `base` is added in the pod only. */
export type Plan = Readonly<z.infer<typeof planSchema>>;

/** The workspace that change n is one of. Whoever only tells the plan's workspaces apart calls it n mod their number, which is shorter by a constant turn of the circle. */
export function workspaceOf({ first, workspaces }: Pick<Plan, "first" | "workspaces">, n: number): number {
  return (first + n) % workspaces;
}

/** When change n is due. */
export function dueAt(plan: Plan, n: number): number {
  return plan.startAt + n * plan.interval;
}

/** When the last change is due. */
export function endOf(plan: Plan): number {
  return dueAt(plan, plan.total - 1);
}

/** How far a load is that goes by a plan, for people. */
export function progressOf(plan: Plan): string {
  const now = machineNow();
  const warmUpMs = dueAt(plan, plan.measuredFrom) - now;
  // The moment before the first change is due is no second of its own.
  const seconds = (ms: number, changes: number): number => Math.max(0, Math.ceil(Math.min(ms, changes * plan.interval) / 1000));
  return warmUpMs > 0 && plan.measuredFrom > 0 ? `warming up, ${seconds(warmUpMs, plan.measuredFrom)} s to go` : `measuring, ${seconds(endOf(plan) - now, plan.total - plan.measuredFrom)} s to go`;
}
