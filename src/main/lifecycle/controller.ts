/** The lifecycle controller: whenever a workspace changes, it has done what is to be done about it; while this replica leads (spec: lifecycle). */
import { LRUCache } from "lru-cache";
import type { Clock } from "../../domain/clock.ts";
import { messageOf } from "../../domain/errors.ts";
import type { Log } from "../../domain/log.ts";
import type { Placeholder, Registry, WorkspaceRecord } from "../state/registry.ts";
import { insist, Permit, type Term } from "./acting.ts";
import { unwrittenMs } from "./activity.ts";
import { Reckoning } from "./elapsed.ts";
import { Job, type Workers } from "./job.ts";
import type { Recreation } from "./recreation.ts";
import { TimeoutWatch, type TimeoutOptions } from "./timeouts.ts";

/** What it works with. */
export interface ControllerOptions extends Workers {
  readonly recreation: Workers["recreation"] & Pick<Recreation, "drop">;
  readonly registry: Pick<Registry, "records" | "byUid">;
  readonly timeouts: TimeoutOptions;
  /** wsmand.activity.persistInterval, milliseconds. */
  readonly persistIntervalMs: number;
  /** After we were away, whoever uses a workspace says so again within this time, milliseconds. */
  readonly holdMs: number;
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly log: Log;
}

/** What belongs to one term. */
interface Reign {
  readonly term: Term;
  readonly since: number;
  readonly jobs: Map<string, Job>;
  readonly timeouts: TimeoutWatch;
  readonly ending: AbortController;
}

/** A placeholder whose workspace has ended while it stood behind its pod, as when somebody forced the pod away. */
interface Orphan {
  readonly record: WorkspaceRecord;
  readonly placeholder: Placeholder;
}

/** Orphans that are remembered for when this replica leads; the oldest is forgotten. */
const maxOrphans = 1_000;
/** Failures are logged one by one no more often than this, milliseconds: an API server that is away fails them all. */
const logEveryMs = 2_000;

/** Acts on all workspaces. */
export class Controller {
  readonly #options: ControllerOptions;
  readonly #reckoning: Reckoning;
  /** By their placeholder's uid. */
  readonly #orphans = new LRUCache<string, Orphan>({ max: maxOrphans });
  #reign: Reign | undefined;
  #loggedAt = Number.NEGATIVE_INFINITY;
  #unlogged = 0;

  constructor(options: ControllerOptions) {
    this.#options = options;
    this.#reckoning = new Reckoning({ unwrittenMs: unwrittenMs(options.persistIntervalMs), holdMs: options.holdMs, finalizationMs: options.timeouts.timeouts.contentFinalization, clock: options.clock });
  }

  /** Workspaces that something is being done about, or was that must not be done again. */
  get jobs(): number {
    return this.#reign?.jobs.size ?? 0;
  }

  /** Whether this replica acts at this moment. */
  get leads(): boolean {
    return this.#reign?.term.goesOn() === true;
  }

  /** A term begins, and lasts until its signal aborts: everything that is known is looked at. */
  lead(term: Term): void {
    const { clock, random, registry, timeouts } = this.#options;
    this.#end();
    if (term.signal.aborted) return;
    const since = clock.now();
    this.#reckoning.begin(since);
    const reign: Reign = { term, since, ending: new AbortController(), jobs: new Map(), timeouts: new TimeoutWatch({ ...timeouts, random }, this.#reckoning, new Permit(term, since, term.signal)) };
    this.#reign = reign;
    term.signal.addEventListener("abort", () => {
      if (this.#reign !== reign) return;
      this.#end();
      for (const { uid } of registry.records()) timeouts.due.set(uid, undefined);
    }, { once: true });
    for (const orphan of this.#orphans.values()) this.#takeAway(orphan, reign);
    for (const record of registry.records()) this.changed(record);
  }

  /** The state has taken something new over of a workspace. */
  changed(record: WorkspaceRecord): void {
    const reign = this.#reign;
    if (!reign) return;
    reign.timeouts.changed(record);
    const known = reign.jobs.get(record.uid);
    // There is nothing to be done about most changes of most workspaces.
    if (record.actions.length === 0 && !record.placeholder && (!known || known.idle)) {
      known?.rest();
      reign.jobs.delete(record.uid);
    } else (known ?? this.#begin(record, reign)).poke();
  }

  /** The pod is gone. */
  forgotten(record: WorkspaceRecord): void {
    const { uid, placeholder } = record;
    const reign = this.#reign;
    this.#options.timeouts.due.set(uid, undefined);
    reign?.timeouts.forgotten(uid);
    reign?.jobs.get(uid)?.end();
    reign?.jobs.delete(uid);
    if (placeholder) this.#orphaned({ record, placeholder });
  }

  /** A placeholder stands for nothing: another start has taken the ID. */
  strayed(record: WorkspaceRecord): void {
    this.#orphaned({ record, placeholder: { podName: record.facts.podName, uid: record.uid } });
  }

  /** A workspace is due, as `timeouts.due` was told. */
  due(uid: string): void {
    // It never rejects.
    void this.#reign?.timeouts.due(uid);
  }

  /** The wall clock has jumped by so many milliseconds, told before anything is told as due that was not before. Counts for later terms too. */
  jumped(byMs: number): void {
    this.#options.log.warn({ seconds: Math.round(byMs / 1000) }, "the clock has jumped: workspaces keep what was left of their time");
    this.#reckoning.jumped(this.#options.clock.now(), byMs);
    this.#rearm();
  }

  /** This process was stopped for so many milliseconds, and goes on; told before anything is told as due. */
  paused(lateMs: number): void {
    this.#options.log.warn({ seconds: Math.round(lateMs / 1000) }, "this process did not run for a while: whoever uses a workspace has time to say so");
    this.#reckoning.returned(this.#options.clock.now());
    this.#rearm();
  }

  /** Acts no more. What it has begun is left as it is: whoever leads next goes on with it. */
  close(): void {
    this.#end();
  }

  #rearm(): void {
    const reign = this.#reign;
    if (!reign) return;
    for (const record of this.#options.registry.records()) reign.timeouts.changed(record);
  }

  /** A process that begins would take it for a workspace that waits: whoever leads takes it away. */
  #orphaned(orphan: Orphan): void {
    this.#orphans.set(orphan.placeholder.uid, orphan);
    if (this.#reign) this.#takeAway(orphan, this.#reign);
  }

  #takeAway({ record, placeholder }: Orphan, { term, since, ending }: Reign): void {
    const { recreation, clock, random, log } = this.#options;
    const permit = new Permit(term, since, ending.signal);
    const work = insist("take away what stood for a workspace that has ended", () => recreation.drop(record, placeholder, permit.wish("finalization")), permit, { clock, random, log });
    // Overtaken: the next who leads does it.
    work.then(() => this.#orphans.delete(placeholder.uid), () => {});
  }

  #begin(record: WorkspaceRecord, { term, since, jobs }: Reign): Job {
    const { quick, content, finalization, recreation, clock, random } = this.#options;
    const job = new Job(record, { quick, content, finalization, recreation, term, since, clock, random, onFailed: (failed, what, error) => this.#failed(failed, what, error) });
    jobs.set(record.uid, job);
    return job;
  }

  #end(): void {
    const reign = this.#reign;
    this.#reign = undefined;
    reign?.ending.abort();
    for (const job of reign?.jobs.values() ?? []) job.end();
  }

  #failed({ facts }: WorkspaceRecord, what: string, error: unknown): void {
    const { clock, log } = this.#options;
    if (clock.monotonic() - this.#loggedAt < logEveryMs) {
      this.#unlogged++;
      return;
    }
    log.warn({ id: facts.id, pod: facts.podName, what, error: messageOf(error), unlogged: this.#unlogged }, "what is to be done about a workspace failed, trying again");
    this.#loggedAt = clock.monotonic();
    this.#unlogged = 0;
  }
}
