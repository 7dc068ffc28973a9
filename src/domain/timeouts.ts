/** When a workspace times out and why: a pure function of its facts, its last activity and the time (spec: lifecycle, "Timeouts"). */
import { wsman } from "../gen/proto.js";
import { parseGoDuration } from "./duration.ts";
import type { WorkspaceFacts } from "./messages.ts";

/** The configured limits, milliseconds. */
export interface Timeouts {
  readonly startup: number;
  readonly initialization: number;
  readonly regularWorkspace: number;
  readonly maxLifetime: number;
  readonly headlessWorkspace: number;
  readonly afterClose: number;
  readonly contentFinalization: number;
  readonly stopping: number;
  readonly interrupted: number;
}

/** Why a workspace timed out. */
export interface TimedOut {
  /** For annotation gitpod/timedout and conditions.timeout. */
  readonly text: string;
  /** What took too long: `backup`, `period of inactivity`, ... */
  readonly activity: string;
  /** Since when it is due, Unix milliseconds. */
  readonly dueAt: number;
}

/** Something that may take so long. */
interface Limit {
  readonly activity: string;
  /** Unix milliseconds. */
  readonly since: number;
  readonly limitMs: number;
}

/**
 * Whether a workspace is timed out now. Looks only at how long things took, not at whether it was marked as timed out before.
 * @param lastActivity Unix milliseconds; undefined if there was none.
 * @param now Unix milliseconds.
 */
export function timeoutOf(facts: WorkspaceFacts, lastActivity: number | undefined, now: number, timeouts: Timeouts): TimedOut | undefined {
  for (const { activity, since, limitMs } of limitsOf(facts, lastActivity, timeouts)) {
    const elapsed = now - since;
    if (elapsed < limitMs) continue;
    const text = `workspace timed out after ${activity} (${hoursAndMinutes(elapsed)}) took longer than ${hoursAndMinutes(limitMs)}`;
    return { text, activity, dueAt: since + limitMs };
  }
  return undefined;
}

/** Limits that depend on whether somebody uses the workspace. */
const limitsOfUse: ReadonlySet<string> = new Set(["period of inactivity", "after being closed", "workspace interruption"]);

/**
 * When a workspace will time out if nothing happens until then, Unix milliseconds; undefined: never.
 * @param heldUntil not before then for not being used, Unix milliseconds.
 */
export function dueAt(facts: WorkspaceFacts, lastActivity: number | undefined, timeouts: Timeouts, heldUntil = Number.NEGATIVE_INFINITY): number | undefined {
  let due: number | undefined;
  for (const { activity, since, limitMs } of limitsOf(facts, lastActivity, timeouts)) {
    const at = limitsOfUse.has(activity) ? Math.max(since + limitMs, heldUntil) : since + limitMs;
    if (due === undefined || at < due) due = at;
  }
  return due;
}

type LimitsOfPhase = (facts: WorkspaceFacts, lastActivity: number | undefined, timeouts: Timeouts) => readonly Limit[];

/** Phases that are not here do not time out. */
const limitsByPhase: ReadonlyMap<number, LimitsOfPhase> = new Map<number, LimitsOfPhase>([
  [wsman.WorkspacePhase.PENDING, (facts, _, timeouts) => sinceStart(facts, "initialization", timeouts.initialization)],
  [wsman.WorkspacePhase.INITIALIZING, (facts, _, timeouts) => sinceStart(facts, "startup", timeouts.startup)],
  [wsman.WorkspacePhase.CREATING, (facts, _, timeouts) => sinceStart(facts, facts.pullingImages ? "pulling images" : "creating containers", timeouts.startup)],
  [wsman.WorkspacePhase.RUNNING, runningLimits],
  [wsman.WorkspacePhase.INTERRUPTED, (facts, lastActivity, timeouts) => sinceActivity(facts, lastActivity, "workspace interruption", timeouts.interrupted)],
  [wsman.WorkspacePhase.STOPPING, (facts, _, timeouts) => stoppingLimits(facts, timeouts)],
]);

/** The limits that apply, in the order in which they are checked. */
function limitsOf(facts: WorkspaceFacts, lastActivity: number | undefined, timeouts: Timeouts): readonly Limit[] {
  return limitsByPhase.get(facts.phase)?.(facts, lastActivity, timeouts) ?? [];
}

/** Maximum lifetime is always checked first. */
function runningLimits(facts: WorkspaceFacts, lastActivity: number | undefined, timeouts: Timeouts): readonly Limit[] {
  return [...sinceStart(facts, "maximum lifetime", timeouts.maxLifetime), ...useLimits(facts, lastActivity, timeouts)];
}

function useLimits(facts: WorkspaceFacts, lastActivity: number | undefined, timeouts: Timeouts): readonly Limit[] {
  const custom = parseGoDuration(facts.customTimeout);
  if (facts.headless) return sinceStart(facts, "running the headless workspace", custom ?? timeouts.headlessWorkspace);
  if (lastActivity === undefined) return sinceStart(facts, "period of inactivity", timeouts.startup);
  if (facts.closed) return sinceActivity(facts, lastActivity, "after being closed", timeouts.afterClose);
  return sinceActivity(facts, lastActivity, "period of inactivity", custom ?? timeouts.regularWorkspace);
}

function stoppingLimits(facts: WorkspaceFacts, timeouts: Timeouts): readonly Limit[] {
  if (facts.deletedAt === undefined) return [];
  if (facts.backupComplete) return [{ activity: "stopping", since: facts.deletedAt, limitMs: timeouts.stopping }];
  return [{ activity: "backup", since: facts.deletedAt, limitMs: timeouts.contentFinalization }];
}

/** Nobody has used a workspace before it was made: what says so was written by a clock that is behind. */
function sinceActivity(facts: WorkspaceFacts, lastActivity: number | undefined, activity: string, limitMs: number): readonly Limit[] {
  return lastActivity === undefined ? sinceStart(facts, activity, limitMs) : [{ activity, since: Math.max(lastActivity, facts.createdAt), limitMs }];
}

/** A pod without a readable creation time has no start to count from: it must not be stopped for being as old as 1970. */
function sinceStart(facts: WorkspaceFacts, activity: string, limitMs: number): readonly Limit[] {
  return facts.createdAt === 0 ? [] : [{ activity, since: facts.createdAt, limitMs }];
}

/** `01h40m`, rounded to minutes. */
function hoursAndMinutes(ms: number): string {
  const minutes = Math.round(ms / 60_000);
  return `${twoDigits(Math.trunc(minutes / 60))}h${twoDigits(minutes % 60)}m`;
}

function twoDigits(value: number): string {
  return String(value).padStart(2, "0");
}
