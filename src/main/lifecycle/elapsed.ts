/**
 * What times mean that were noted before this replica began to lead, or before the machine's clock jumped: whoever was away must not stop workspaces for what it could not know
 * (spec: api, MarkActive; lifecycle, "Timeouts").
 */
import type { WorkspaceFacts } from "../../domain/messages.ts";
import { lastActivityOf, type WorkspaceRecord } from "../state/registry.ts";

/** Facts and last activity as timeouts are to take them. */
export interface Elapsed {
  readonly facts: WorkspaceFacts;
  readonly lastActivity: number | undefined;
}

interface Jump {
  /** The clock's new time, Unix milliseconds. */
  readonly at: number;
  readonly byMs: number;
}

/** Jumps that are remembered; the oldest is forgotten. */
const maxJumps = 16;

/** The times of one replica. */
export class Reckoning {
  readonly #persistIntervalMs: number;
  readonly #since: number;
  readonly #jumps: Jump[] = [];

  /** @param since when this replica began to lead, Unix milliseconds. @param persistIntervalMs activity may be so much later than what is written. */
  constructor(since: number, persistIntervalMs: number) {
    this.#since = since;
    this.#persistIntervalMs = persistIntervalMs;
  }

  /** The clock has jumped ahead: what was left of each workspace's time is left still. One that jumped back takes nobody's time. */
  jumped(now: number, byMs: number): void {
    if (byMs <= 0) return;
    this.#jumps.push({ at: now, byMs });
    if (this.#jumps.length > maxJumps) this.#jumps.shift();
  }

  /** Of a workspace as it is known now. */
  of(record: WorkspaceRecord): Elapsed {
    const { facts } = record;
    const lastActivity = later(lastActivityOf(record), this.#grace(facts));
    // Nobody could save its content while nobody led.
    const deletedAt = facts.deletedAt === undefined ? undefined : Math.max(facts.deletedAt, facts.deletedAt < this.#since && !facts.backupComplete ? this.#since : 0);
    if (this.#jumps.length === 0) return { facts: deletedAt === facts.deletedAt ? facts : { ...facts, deletedAt }, lastActivity };
    return {
      facts: { ...facts, createdAt: facts.createdAt === 0 ? 0 : this.#shifted(facts.createdAt), deletedAt: deletedAt === undefined ? undefined : this.#shifted(deletedAt) },
      lastActivity: lastActivity === undefined ? undefined : this.#shifted(lastActivity),
    };
  }

  /** Activity of which nothing was written: of a workspace from before our time, as late as it may have been. */
  #grace({ createdAt, lastActivity }: WorkspaceFacts): number | undefined {
    if (createdAt >= this.#since) return undefined;
    return lastActivity === undefined ? this.#since : Math.min(this.#since, lastActivity + this.#persistIntervalMs);
  }

  #shifted(time: number): number {
    let shifted = time;
    for (const { at, byMs } of this.#jumps) if (shifted < at) shifted = Math.min(at, shifted + byMs);
    return shifted;
  }
}

function later(a: number | undefined, b: number | undefined): number | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return Math.max(a, b);
}
