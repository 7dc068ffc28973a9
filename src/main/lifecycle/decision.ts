/**
 * What is to be done about a workspace now: a pure function of what is known of it and the time (spec: lifecycle). `explain` and `preflight` show the whole, `decideAt`.
 * The part that no clock changes comes from the workers, with the status (workers/actions.ts), and is kept in the record: the controller's jobs act on that whenever it changes. Here is the rest, on which its
 * timeouts act when it is due, and which shadows tell.
 */
import type { Action } from "../../domain/actions.ts";
import type { Timeouts } from "../../domain/timeouts.ts";
import { wsman } from "../../gen/proto.js";
import type { WorkspaceRecord } from "../state/registry.ts";
import { dueOf, timedOutAt, type Elapsed } from "./elapsed.ts";

/** What is known of a workspace. */
export type Known = Pick<WorkspaceRecord, "facts" | "actions" | "stopped" | "vacant">;

/** What only the time asks for. */
export type TimedAction =
  /** Write down that it has timed out; what follows from that is decided once it stands there. */
  | { readonly action: "timeOut"; readonly text: string }
  /** Write down that its backup has failed: it does not end, and that the workspace has timed out stands there already, for another reason. */
  | { readonly action: "giveUpBackup"; readonly text: string };

/** One step. */
export type Step = Action | TimedAction;

/** Whether a step is asked for by the time alone. */
export function isTimed(step: Step): step is TimedAction {
  return step.action === "timeOut" || step.action === "giveUpBackup";
}

/**
 * The one decision: the steps, in the order in which they are to be done.
 * @param elapsed the times of this workspace as they are to be taken (`Reckoning`).
 * @param now Unix milliseconds.
 */
export function decideAt(known: Known, elapsed: Elapsed, timeouts: Timeouts, now: number): readonly Step[] {
  const timed = timedActionAt(known, elapsed, timeouts, now);
  return timed === undefined ? known.actions : [...known.actions, timed];
}

/** The step that the time asks for, if it does. */
export function timedActionAt(known: Known, elapsed: Elapsed, timeouts: Timeouts, now: number): TimedAction | undefined {
  const timedOut = canTimeOut(known) ? timedOutAt(elapsed, timeouts, now) : undefined;
  return timedOut && { action: known.facts.timedOut === "" ? "timeOut" : "giveUpBackup", text: timedOut.text };
}

/** When the decision is another one though nothing has changed, Unix milliseconds; undefined: never. */
export function nextDue(known: Known, elapsed: Elapsed, timeouts: Timeouts): number | undefined {
  return canTimeOut(known) ? dueOf(elapsed, timeouts) : undefined;
}

/** That it timed out is written once; but a backup that does not end has to be given up also where that was for another reason. */
function canTimeOut({ facts, stopped, vacant }: Known): boolean {
  if (stopped || vacant) return false;
  if (facts.timedOut === "") return true;
  return facts.phase === wsman.WorkspacePhase.STOPPING && !facts.backupComplete && !facts.timedOut.includes("backup");
}
