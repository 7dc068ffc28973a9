/**
 * What times mean that were noted before this replica began to lead, or before the machine's clock jumped: whoever was away must not stop workspaces for what it could not know
 * (spec: api, MarkActive; lifecycle, "Timeouts").
 */
import type { Clock } from "../../domain/clock.ts";
import type { WorkspaceFacts } from "../../domain/messages.ts";
import { dueAt, timeoutOf, type TimedOut, type Timeouts } from "../../domain/timeouts.ts";
import { lastActivityOf, type WorkspaceRecord } from "../state/registry.ts";

/** Facts and last activity as timeouts are to take them. */
export interface Elapsed {
  readonly facts: WorkspaceFacts;
  readonly lastActivity: number | undefined;
  /** Nobody ever used it, as far as is known; `lastActivity` is when our time began. Then the later of both limits counts. */
  readonly neverActive: boolean;
  /** Until then it is not stopped for not being used, Unix milliseconds: whoever uses it may not have been able to say so. */
  readonly heldUntil: number | undefined;
}

/** What it goes by. */
export interface ReckoningOptions {
  /** Activity may be so much later than what is written of it, milliseconds. */
  readonly unwrittenMs: number;
  /** Whoever uses a workspace says so again within this time after we were away, milliseconds. */
  readonly holdMs: number;
  /** timeouts.contentFinalization, milliseconds. */
  readonly finalizationMs: number;
  readonly clock: Pick<Clock, "now">;
}

/** Whoever begins to lead has at least this time for a content whose end began before, milliseconds. */
const lastChanceMs = 60_000;

/**
 * From when the time for the end of a content counts, Unix milliseconds: once it has begun, from what is noted on the pod, whoever led since; before, from the deletion, or from when this replica
 * began to lead, for nobody may have been there. What is noted is by the clock of whoever led then: from before the deletion it would take the content's time away, and from the future it is no
 * time at all. However late it is, there is time for one more attempt.
 */
export function disposalCountsFrom({ disposalSince, deletedAt }: Pick<WorkspaceFacts, "disposalSince" | "deletedAt">, since: number, limitMs: number, now: number): number {
  const isUsable = disposalSince !== undefined && disposalSince <= now;
  const begun = isUsable ? Math.max(disposalSince, Math.min(deletedAt ?? disposalSince, now)) : Math.max(deletedAt ?? since, since);
  return Math.max(begun, since + Math.min(lastChanceMs, limitMs) - limitMs);
}

interface Jump {
  /** The clock's new time, Unix milliseconds. */
  readonly at: number;
  readonly byMs: number;
}

/** Jumps that are remembered; the oldest is forgotten. */
const maxJumps = 16;

/** The times of one replica, whether or not it leads: a jump of the clock often ends a term, and counts in the next one. */
export class Reckoning {
  readonly #options: ReckoningOptions;
  readonly #jumps: Jump[] = [];
  #since = 0;
  /** When we were back last, and until when we wait for what we have missed. */
  #back = 0;
  #heldUntil = 0;

  constructor(options: ReckoningOptions) {
    this.#options = options;
  }

  /** This replica begins to lead, Unix milliseconds. Nobody may have been there before. */
  begin(since: number): void {
    this.#since = since;
    this.returned(since);
  }

  /** We were away, and are back now: what users do was not told to us, and will be soon. */
  returned(now: number): void {
    this.#back = wholeSecond(now);
    this.#heldUntil = now + this.#options.holdMs;
  }

  /** The clock has jumped ahead: what was left of each workspace's time is left still. One that jumped back takes nobody's time. */
  jumped(now: number, byMs: number): void {
    this.returned(now);
    if (byMs <= 0) return;
    this.#jumps.push({ at: now, byMs });
    if (this.#jumps.length > maxJumps) this.#jumps.shift();
  }

  /** Of a workspace as it is known now. */
  of(record: Pick<WorkspaceRecord, "facts" | "activeAt">): Elapsed {
    const { facts } = record;
    const known = lastActivityOf(record);
    const lastActivity = later(known, this.#grace(facts));
    const of = { neverActive: known === undefined && !facts.everActive, heldUntil: facts.createdAt < this.#back ? this.#heldUntil : undefined };
    const deletedAt = this.#deletedAt(facts);
    if (this.#jumps.length === 0) return { ...of, facts: deletedAt === facts.deletedAt ? facts : { ...facts, deletedAt }, lastActivity };
    const createdAt = facts.createdAt === 0 ? 0 : this.#shifted(facts.createdAt);
    return { ...of, facts: { ...facts, createdAt, deletedAt: deletedAt && this.#shifted(deletedAt) }, lastActivity: lastActivity && this.#shifted(lastActivity) };
  }

  #deletedAt(facts: WorkspaceFacts): number | undefined {
    if (facts.deletedAt === undefined || facts.backupComplete) return facts.deletedAt;
    return disposalCountsFrom(facts, this.#since, this.#options.finalizationMs, this.#options.clock.now());
  }

  /** Activity of which nothing was written: of a workspace from before our time, as late as it may have been. */
  #grace({ createdAt, lastActivity }: WorkspaceFacts): number | undefined {
    if (createdAt >= wholeSecond(this.#since)) return undefined;
    return lastActivity === undefined ? this.#since : Math.min(this.#since, lastActivity + this.#options.unwrittenMs);
  }

  #shifted(time: number): number {
    let shifted = time;
    for (const { at, byMs } of this.#jumps) if (shifted < at) shifted = Math.min(at, shifted + byMs);
    return shifted;
  }
}

/** When a workspace times out if nothing happens until then, Unix milliseconds; undefined: never. */
export function dueOf({ facts, lastActivity, neverActive, heldUntil }: Elapsed, timeouts: Timeouts): number | undefined {
  const due = dueAt(facts, lastActivity, timeouts, heldUntil);
  return neverActive ? later(due, dueAt(facts, undefined, timeouts, heldUntil)) : due;
}

/** Why its time is over, if it is: not before it is due, however long things took. @param now Unix milliseconds. */
export function timedOutAt(elapsed: Elapsed, timeouts: Timeouts, now: number): TimedOut | undefined {
  const due = dueOf(elapsed, timeouts);
  return due !== undefined && due <= now ? timeoutOf(elapsed.facts, elapsed.lastActivity, now, timeouts) : undefined;
}

/** Creation times tell no less. */
function wholeSecond(time: number): number {
  return Math.floor(time / 1000) * 1000;
}

function later(a: number | undefined, b: number | undefined): number | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return Math.max(a, b);
}
