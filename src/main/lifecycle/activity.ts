/** Who uses which workspace: kept in memory, and coarsely on the pods, so that it outlives a restart (spec: api, MarkActive). */
import { atMost, sleep, type Clock } from "../../domain/clock.ts";
import { messageOf, WsmanError } from "../../domain/errors.ts";
import type { Log } from "../../domain/log.ts";
import { annotations } from "../../domain/names.ts";
import { rfc3339Nano } from "../../domain/rfc3339.ts";
import { dueAt, type Timeouts } from "../../domain/timeouts.ts";
import type { Priority } from "../kube/budget.ts";
import type { AnnotationChanges } from "../kube/objects.ts";
import type { WorkspaceRecord } from "../state/registry.ts";
import { Bequests } from "./bequests.ts";
import { Lanes } from "./lanes.ts";
import { Rounds } from "./rounds.ts";
import type { WorkspaceWriter } from "./writer.ts";
import { isUnwritten, laterThan, writtenAgo, type Unwritten } from "./written-activity.ts";

/** What it works with. */
export interface ActivityOptions {
  readonly writer: Pick<WorkspaceWriter, "annotate">;
  /** Activity is written to a pod at most once in this time, milliseconds. */
  readonly persistIntervalMs: number;
  /** The leader, which may be another replica, times workspaces out by what is written. */
  readonly timeouts: Timeouts;
  /** Whether this replica leads: then what it remembers counts. */
  readonly leads: () => boolean;
  readonly clock: Clock;
  readonly log: Log;
}

/** What is being written to a pod. */
interface Writing {
  /** How it will be marked. */
  readonly closed: boolean;
  readonly promise: Promise<void>;
}

/** A call is not held up for longer than this, milliseconds. */
const waitMs = 1_000;
/** After a write that failed there is no other one of the same pod for so long, milliseconds. */
const restMs = 10_000;
/** Activity that was not followed by more is looked for so often, milliseconds, and so many of it are written then; the others the next time. */
const sweepMs = 30_000;
const maxSwept = 500;
/** Writes that are due are gathered for so long, milliseconds: that each comes a second later than it could is nothing beside the interval. */
export const gatherMs = 1_000;
/** Whoever leads may be about to time a workspace out, by what is written, within this time, milliseconds: then the caller is answered once the activity is written. */
const pressingMs = 30_000;
/** Writes of a round, and at the end, that are under way at the same time. */
const writesAtOnce = 32;
/** A write that is due may come so much later, milliseconds: those before it may each take as long as an answer of the API server may. */
const lateMs = 60_000;
/** Failures are logged one by one no more often than this, milliseconds. */
const logEveryMs = 10_000;

/** Activity may be so much later than what is written of it, milliseconds, but for an API server that takes no writes. */
export function unwrittenMs(persistIntervalMs: number): number {
  return persistIntervalMs + sweepMs + lateMs;
}

/** Activity of all workspaces. */
export class Activity {
  readonly #options: ActivityOptions;
  /** Active since it was written last: for the end. As many as there are workspaces, at most. */
  readonly #unwritten = new Set<WorkspaceRecord>();
  readonly #bequests = new Bequests();
  /** By uid. */
  readonly #writing = new Map<string, Writing>();
  /** Since when a write is under way, monotonic milliseconds. */
  readonly #underWay = new WeakMap<WorkspaceRecord, number>();
  /** When a write failed last, Unix milliseconds. */
  readonly #failedAt = new WeakMap<WorkspaceRecord, number>();
  readonly #lanes = new Lanes();
  /** Regular writes. */
  readonly #rounds: Rounds<WorkspaceRecord>;
  /** The end has begun; and it is over. */
  readonly #ending = new AbortController();
  readonly #closed = new AbortController();
  #loggedAt = Number.NEGATIVE_INFINITY;

  constructor(options: ActivityOptions) {
    this.#options = options;
    this.#rounds = new Rounds({ clock: options.clock, gatherMs, atOnce: writesAtOnce, work: (record) => this.#writeRegularly(record) });
    this.#sweepLater();
  }

  /**
   * The workspace is in use now, or was just closed. Gives what has to be waited for so that the caller sees what it changed; nothing for almost every call.
   * It is written whether or not the client still waits: one that closes its tab is gone at once. What can not be written is logged, and tried again with a later call.
   * @throws WsmanError UNAVAILABLE where a leader elsewhere may stop the workspace for not being used, since this can not be written: it is remembered here all the same. Rejects with that where it had to wait to learn of it.
   */
  mark(record: WorkspaceRecord, closed: boolean): Promise<void> | undefined {
    if (this.markAtOnce(record, closed)) return undefined;
    const now = this.#note(record);
    const writing = this.#writing.get(record.uid);
    const isFirst = !record.facts.everActive && !writing;
    const isNews = this.#isNews(record, closed, writing);
    // At once: each call that waits leaves a line in the log.
    if (!isFirst && !isNews && this.#isUnsure(record, writing)) throw unsure(record);
    const isPressing = this.#isPressing(record);
    return this.#confirm(record, this.#steer(record, isFirst, isNews ? closed : undefined, now), isPressing);
  }

  /** The same where nothing has to be waited for; false, and nothing done, if something has. */
  markAtOnce(record: WorkspaceRecord, closed: boolean): boolean {
    const writing = this.#writing.get(record.uid);
    if (this.#isNews(record, closed, writing) || (!record.facts.everActive && !writing)) return false;
    if (this.#isUnsure(record, writing) || (!writing && !this.#wasJustWritten(record) && this.#isPressing(record))) return false;
    const now = this.#note(record);
    const priority = writing ? undefined : this.#due(record, now);
    if (priority) this.#writeDue(record, priority, now);
    return true;
  }

  #isNews({ facts }: WorkspaceRecord, closed: boolean, writing: Writing | undefined): boolean {
    return (writing?.closed ?? facts.closed) !== closed;
  }

  /** One that was written, or could not be written, a moment ago is not asked for again. */
  #wasJustWritten(record: WorkspaceRecord): boolean {
    return writtenAgo(record, this.#options.clock.now()) < restMs;
  }

  /** Another replica may be about to stop the workspace, and what says that it is in use could not be written just now, or is being written for too long. */
  #isUnsure(record: WorkspaceRecord, writing: Writing | undefined): boolean {
    const { clock, leads } = this.#options;
    const since = this.#underWay.get(record);
    const hasFailed = (this.#failedAt.get(record) ?? Number.NEGATIVE_INFINITY) > (record.facts.lastActivity ?? Number.NEGATIVE_INFINITY);
    // Otherwise it is written now, and waited for.
    const isTried = writing !== undefined || since !== undefined || this.#wasJustWritten(record);
    return isTried && (hasFailed || (since !== undefined && clock.monotonic() - since > waitMs)) && !leads() && this.#isPressing(record);
  }

  /** Waits for what is written, not for long. */
  async #confirm(record: WorkspaceRecord, written: Promise<boolean>, isPressing: boolean): Promise<void> {
    const { clock, leads } = this.#options;
    let isDone = false;
    await atMost(clock, waitMs, written.then((done) => {
      isDone = done;
    }));
    if (!isDone && isPressing && !leads()) throw unsure(record);
  }

  /** By what is written the workspace is about to time out, and by what is told now it is not. */
  #isPressing(record: WorkspaceRecord): boolean {
    const { clock, timeouts } = this.#options;
    const now = clock.now();
    const due = dueAt(record.facts, record.facts.lastActivity, timeouts);
    return due !== undefined && due - now < pressingMs && (dueAt(record.facts, now, timeouts) ?? due) > due;
  }

  #note(record: WorkspaceRecord): number {
    const now = this.#options.clock.now();
    record.activeAt = now;
    this.#unwritten.add(record);
    return now;
  }

  /** What others need to know is written at once, the rest together with what else is due in this second. */
  #writeDue(record: WorkspaceRecord, priority: "finalization" | "housekeeping", at: number): void {
    if (priority === "finalization") void this.#write(record, {}, priority, at);
    else this.#rounds.add(record);
  }

  /** What is known of the workspace has changed: its time may be shorter now, and whoever leads will read what is written in a moment. */
  changed(record: WorkspaceRecord): void {
    this.#inherit(record);
    this.#remember(record);
    if (!this.#unwritten.has(record) || !isUnwritten(record) || this.#writing.has(record.uid)) return;
    if (this.#due(record, this.#options.clock.now()) === "finalization") void this.#write(record, {}, "finalization", record.activeAt);
  }

  /** What was told of an earlier pod of the ID, and was meant for this one, counts as told of it. */
  #inherit(record: WorkspaceRecord): void {
    const at = this.#bequests.take(record);
    if (at === undefined) return;
    record.activeAt = at;
    this.#unwritten.add(record);
  }

  /**
   * What stands on the pod counts as if it had been told here: somebody may take it away from there, and whoever told another replica was active all the same. What is from the future counts as
   * now: by a clock that was wrong, nobody could ever take it away.
   */
  #remember(record: WorkspaceRecord): void {
    const { lastActivity } = record.facts;
    if (lastActivity === undefined || lastActivity <= (record.activeAt ?? Number.NEGATIVE_INFINITY)) return;
    record.activeAt = Math.max(record.activeAt ?? Number.NEGATIVE_INFINITY, Math.min(lastActivity, this.#options.clock.now()));
  }

  /** Whether activity that is not written yet is to be written now, and how urgently; undefined: not yet. */
  #due(record: WorkspaceRecord, now: number): "finalization" | "housekeeping" | undefined {
    const { persistIntervalMs, timeouts } = this.#options;
    const { facts, activeAt } = record;
    const age = writtenAgo(record, now);
    if (age < restMs) return undefined;
    // What is written would have it time out before the next regular write, and the truth would not.
    const due = dueAt(facts, facts.lastActivity, timeouts);
    if (due !== undefined && due - now < persistIntervalMs + sweepMs && (dueAt(facts, activeAt, timeouts) ?? due) > due) return "finalization";
    return age >= persistIntervalMs ? "housekeeping" : undefined;
  }

  /** Whoever was active and is not any more is written as well, so that the leader counts from there. */
  #sweepLater(): void {
    this.#options.clock.timer(sweepMs, () => {
      if (this.#ending.signal.aborted) return;
      this.#sweep(this.#options.clock.now());
      this.#sweepLater();
    });
  }

  #sweep(now: number): void {
    const urgent: (WorkspaceRecord & Unwritten)[] = [];
    const regular: (WorkspaceRecord & Unwritten)[] = [];
    for (const record of this.#unwritten) {
      // Another replica knew of more, and has written it.
      if (!isUnwritten(record)) this.#unwritten.delete(record);
      else if (!this.#writing.has(record.uid)) {
        const priority = this.#due(record, now);
        if (priority === "finalization") urgent.push(record);
        else if (priority) regular.push(record);
      }
    }
    for (const record of urgent.slice(0, maxSwept)) void this.#write(record, {}, "finalization", record.activeAt);
    for (const record of regular.slice(0, Math.max(0, maxSwept - urgent.length))) this.#rounds.add(record);
  }

  /** In its round: it may have been written meanwhile, by another replica, or because it could not wait. */
  async #writeRegularly(record: WorkspaceRecord): Promise<void> {
    if (!this.#unwritten.has(record) || !isUnwritten(record) || this.#writing.has(record.uid) || !this.#due(record, this.#options.clock.now())) return;
    await this.#write(record, {}, "housekeeping", record.activeAt);
  }

  /** The pod is gone. */
  forget(record: WorkspaceRecord): void {
    if (this.#unwritten.has(record) && isUnwritten(record)) this.#bequests.leave(record, record.activeAt);
    this.#unwritten.delete(record);
    this.#writing.delete(record.uid);
    this.#rounds.remove(record);
  }

  /** Writes what is not written yet, and lets writes end that are under way, as far as there is time for it (ms). */
  async flush(withinMs: number): Promise<void> {
    this.#ending.abort();
    const cancel = this.#options.clock.timer(withinMs, () => this.#closed.abort());
    await Promise.all([this.#rounds.end(), ...Array.from(this.#writing.values(), async ({ promise }) => promise)]);
    // Those that were written longest ago first.
    const records = [...this.#unwritten].toSorted((a, b) => (a.facts.lastActivity ?? 0) - (b.facts.lastActivity ?? 0)).values();
    const worker = async (): Promise<void> => {
      for (const record of records) {
        if (this.#closed.signal.aborted) return;
        // Its pod may be gone meanwhile, and another replica may know of later activity.
        if (this.#unwritten.has(record) && isUnwritten(record)) await this.#write(record, {}, "finalization", record.activeAt);
      }
    };
    await Promise.all(Array.from({ length: writesAtOnce }, worker));
    cancel();
    this.#closed.abort();
  }

  /** What is visible in the status, one write after the other, so that the last word counts. */
  #steer(record: WorkspaceRecord, first: boolean, closed: boolean | undefined, now: number): Promise<boolean> {
    const changes: Record<string, string | null> = {};
    if (first) changes[annotations.firstUserActivity] = rfc3339Nano(now);
    if (closed !== undefined) changes[annotations.closed] = closed ? "true" : null;
    const before = this.#writing.get(record.uid);
    const { promise: written, resolve } = Promise.withResolvers<boolean>();
    const promise = this.#lanes.run(record.uid, async () => {
      const done = await this.#write(record, changes, "user", now);
      resolve(done);
      if (!done) await sleep(this.#options.clock, restMs, this.#ending.signal);
    });
    const writing: Writing = { closed: closed ?? before?.closed ?? record.facts.closed, promise };
    this.#writing.set(record.uid, writing);
    void promise.finally(() => {
      if (this.#writing.get(record.uid) === writing) this.#writing.delete(record.uid);
    });
    return written;
  }

  /** Never rejects; tells whether it was done. */
  async #write(record: WorkspaceRecord, changes: AnnotationChanges, priority: Priority, at: number): Promise<boolean> {
    const { writer, clock, log } = this.#options;
    const written = record.facts.lastActivity ?? at;
    // Never back in time: another replica may have written of later activity.
    if (written > at && Object.keys(changes).length === 0) return true;
    // Not before the next interval if it fails, or a dead API server would get a request with every call.
    const begunAt = clock.now();
    record.activityWrittenAt = begunAt;
    this.#underWay.set(record, clock.monotonic());
    try {
      await writer.annotate(record, { ...changes, [annotations.lastActivity]: rfc3339Nano(Math.max(at, written)) }, "note activity", this.#closed.signal, priority, (noted) => laterThan(noted, at, changes));
      this.#written(record, at, begunAt);
      return true;
    } catch (error) {
      if (error instanceof WsmanError && error.code === "NOT_FOUND") {
        this.forget(record);
        return true;
      }
      this.#failedAt.set(record, clock.now());
      if (clock.monotonic() - this.#loggedAt >= logEveryMs) {
        this.#loggedAt = clock.monotonic();
        log.warn({ pod: record.facts.podName, error: messageOf(error) }, "activity could not be written to the pod; it is kept, and tried again");
      }
      return false;
    } finally {
      this.#underWay.delete(record);
    }
  }

  /** A write was done. What it told of may be from before one that failed, but writes work again. */
  #written(record: WorkspaceRecord, at: number, begunAt: number): void {
    if (record.activeAt !== undefined && record.activeAt <= at) this.#unwritten.delete(record);
    if ((this.#failedAt.get(record) ?? Number.POSITIVE_INFINITY) <= begunAt) this.#failedAt.delete(record);
  }
}

function unsure({ facts }: WorkspaceRecord): WsmanError {
  return new WsmanError("UNAVAILABLE", `that workspace ${facts.id} is in use could not be written for the replica that leads, which may stop it: try again, or another replica`);
}
