/** Leader election by Lease: which one of several replicas acts, with a fence in time, so that no two do at the same moment (spec: lifecycle, High availability). */
import { once } from "node:events";
import { atMost, sleep } from "../../domain/clock.ts";
import { messageOf } from "../../domain/errors.ts";
import { toKubeError } from "../kube/errors.ts";
import { isConflict, isMissing } from "../kube/objects.ts";
import { LeaseHold, type HoldOptions } from "./hold.ts";
import { ageOf, Term, type Moment } from "./term.ts";

/** Told of each term in which this replica leads. */
export interface LeaderHooks {
  /** A term begins; the signal aborts when it ends. Must not throw. */
  onStarted(signal: AbortSignal): void;
  /** The term is over, the signal has aborted. The next one does not begin before what this returns has settled, but waits no longer than a Lease lasts. */
  onStopped(): Promise<void> | void;
  /** The orderly end: nothing new shall begin, and what runs may be finished, within `drainMs`; the lead goes on until then. */
  finish?(): Promise<void>;
}

/** What the election needs (spec: config, wsmand.leaderElection). */
export interface LeaderOptions extends HoldOptions {
  /** False: leads from the beginning to the end, without a request. */
  readonly enabled: boolean;
  /** How long `finish` may take at the end, and giving the Lease back after it, milliseconds. */
  readonly drainMs: number;
  readonly hooks: LeaderHooks;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

/** Shortest pause between two rounds, milliseconds. */
const leastPauseMs = 50;
/** A failure that goes on is logged again after so long, milliseconds. */
const tellEveryMs = 300_000;
/** Part of the time between `renewDeadline` and `leaseDuration` in which a lead that was renewed by a late answer may go on; the rest is for clocks that do not run alike. */
const lateShare = 0.7;
const ordinaryEnd = "the process ends";

/** Identity of a process: its host's name, and something random that no other has. */
export function electionIdentity(host: string, random: string): string {
  return `${host}_${random}`;
}

/** Takes part in the election. `run` once. */
export class Leader {
  readonly #options: LeaderOptions;
  readonly #hold: LeaseHold;
  #term: Term | undefined;
  /** Settles when the end of the last term was dealt with. */
  #stopped: Promise<void> = Promise.resolve();
  /** Failures in a row. */
  #failures = 0;
  #toldAt = Number.NEGATIVE_INFINITY;

  constructor(options: LeaderOptions) {
    this.#options = options;
    this.#hold = new LeaseHold(options);
  }

  /**
   * Whether we lead, by the clocks at this very moment: a process that was stopped, or whose machine slept, learns here that it does not any more, before any timer told it.
   * To be asked before each thing that only the leader may do. Where it finds that the term is over, it ends it: the term's signal aborts before this returns.
   */
  leads(): boolean {
    return this.#term?.goesOn() ?? false;
  }

  /** Who holds the Lease, as far as is known; empty: nobody. */
  get holder(): string {
    return this.#hold.holder;
  }

  /**
   * Takes part until the signal aborts. Then what runs is finished while the lead goes on, and the Lease is given back, so that another takes over at its next look. Never rejects.
   */
  async run(signal: AbortSignal): Promise<void> {
    const over = new AbortController();
    if (!this.#options.enabled) this.#begin(undefined);
    const rounds = this.#options.enabled ? this.#rounds(signal, over.signal) : undefined;
    if (!signal.aborted) await once(signal, "abort");
    if (this.leads()) await this.#finish();
    over.abort();
    await rounds;
    this.#term?.end(ordinaryEnd);
    await this.#settled();
    await this.#release();
  }

  /** The lead goes on while what runs is finished. */
  async #finish(): Promise<void> {
    const { hooks, clock, drainMs, log } = this.#options;
    const work = (async () => hooks.finish?.())();
    await atMost(clock, drainMs, work).catch((error: unknown) => log.warn({ error: messageOf(error) }, "what the leader did could not be finished"));
  }

  /** Looks at the Lease and renews it, again and again: until `over`, and from `leaving` on only as long as we lead. */
  async #rounds(leaving: AbortSignal, over: AbortSignal): Promise<void> {
    const { clock, retryPeriodMs, random } = this.#options;
    while (!over.aborted && (this.leads() || !leaving.aborted)) {
      const from = clock.monotonic();
      const asked = await this.#round(leaving, over);
      // Below the period: a follower finds a Lease that was given back within it, requests included.
      const pause = Math.max(retryPeriodMs * (0.7 + 0.15 * random()) - (clock.monotonic() - from), asked, leastPauseMs);
      await sleep(clock, pause, this.leads() ? over : leaving);
    }
  }

  /** One look, or renewal. @returns how long the API server asks to wait, milliseconds. */
  async #round(leaving: AbortSignal, over: AbortSignal): Promise<number> {
    const signal = this.leads() ? over : leaving;
    try {
      await (this.#term ? this.#renew(this.#term, signal) : this.#acquire(signal));
      if (this.#failures > 0) this.#options.log.info({ attempts: this.#failures }, "leader election works again");
      this.#failures = 0;
      return 0;
    } catch (error) {
      return signal.aborted ? 0 : this.#failed(error);
    }
  }

  /** Keeps the lead. Whether it lasts is decided by the clocks alone, however this fails. */
  async #renew(term: Term, signal: AbortSignal): Promise<void> {
    const { renewDeadlineMs } = this.#options;
    const lease = this.#hold.ours();
    try {
      // If this is never answered, there is time for another one.
      if (lease) return term.renew(await this.#hold.write(lease, renewDeadlineMs * 0.6, signal));
    } catch (error) {
      if (!isConflict(error) && !isMissing(error)) throw error;
    }
    // Somebody else has changed it, an answer to us was lost, or it was deleted.
    const current = await this.#hold.look(renewDeadlineMs / 2, signal);
    if (current && !this.#hold.isOurs(current)) return term.end(current.holder === "" ? "somebody has emptied the Lease" : "somebody else holds the Lease");
    term.renew(await this.#hold.write(current, renewDeadlineMs / 2, signal));
    if (term.goesOn()) this.#hold.confirm();
  }

  /** Takes the lead, if it is to be had. */
  async #acquire(signal: AbortSignal): Promise<void> {
    const { clock, renewDeadlineMs } = this.#options;
    await this.#settled();
    const lease = this.#hold.ours() ?? (await this.#hold.look(renewDeadlineMs, signal));
    if (signal.aborted || this.#hold.isTaken()) return;
    try {
      const sent = await this.#hold.write(lease, renewDeadlineMs, signal, true);
      // The answer may have taken too long, or we were stopped meanwhile; or we are asked to leave.
      if (!signal.aborted && !this.#hold.onlyClaims() && ageOf(sent, clock) < renewDeadlineMs) this.#begin(sent);
    } catch (error) {
      // Others were faster, or it is not as it was when we held it: the next look tells.
      if (!isConflict(error) && !isMissing(error)) throw error;
      this.#hold.outdate();
    }
  }

  /** @param renewed undefined: a lead that does not end by itself. */
  #begin(renewed: Moment | undefined): void {
    const { clock, hooks, log, renewDeadlineMs, leaseDurationMs } = this.#options;
    const limitMs = renewDeadlineMs + lateShare * (leaseDurationMs - renewDeadlineMs);
    const term = new Term({ clock, renewed, lastsMs: renewDeadlineMs, limitMs, onEnded: (reason) => this.#ended(reason) });
    this.#term = term;
    log.info({}, "leading");
    hooks.onStarted(term.signal);
  }

  #ended(reason: string): void {
    const { hooks, log } = this.#options;
    this.#term = undefined;
    if (reason === ordinaryEnd) log.info({}, "not leading any more");
    else log.warn({ reason }, "not leading any more");
    const work = (async () => hooks.onStopped())();
    this.#stopped = work.catch((error: unknown) => log.warn({ error: messageOf(error) }, "the end of a lead was not dealt with in order"));
  }

  /** Waits, but not forever, until nothing of the last term runs any more. */
  async #settled(): Promise<void> {
    const { clock, leaseDurationMs } = this.#options;
    await atMost(clock, leaseDurationMs, this.#stopped);
  }

  async #release(): Promise<void> {
    const { renewDeadlineMs, drainMs } = this.#options;
    try {
      await this.#hold.release(Math.min(renewDeadlineMs / 2, drainMs));
    } catch (error) {
      this.#options.log.warn({ error: messageOf(error) }, "the Lease could not be given back: another replica takes over when it has run out");
    }
  }

  /** Tells a failure, now and then. @returns how long the API server asks to wait, milliseconds; within reason. */
  #failed(error: unknown): number {
    const { clock, log, renewDeadlineMs, leaseDurationMs } = this.#options;
    const { status, reason, message, retryAfterMs = 0 } = toKubeError(error);
    if (this.#failures++ === 0 || clock.monotonic() - this.#toldAt >= tellEveryMs) {
      this.#toldAt = clock.monotonic();
      log.warn({ status, reason, error: message, attempts: this.#failures }, "leader election does not get at its Lease, trying again until it does");
    }
    return Math.min(retryAfterMs, this.#term ? renewDeadlineMs / 4 : leaseDurationMs);
  }
}
