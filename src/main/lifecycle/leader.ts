/** Leader election by Lease: which one of several replicas acts, with a fence in time, so that no two do at the same moment (spec: lifecycle, High availability). */
import { once } from "node:events";
import { atMost, sleep, type Clock } from "../../domain/clock.ts";
import { messageOf } from "../../domain/errors.ts";
import type { Log } from "../../domain/log.ts";
import type { Requester } from "../kube/client.ts";
import { toKubeError } from "../kube/errors.ts";
import { isConflict, isMissing } from "../kube/objects.ts";
import { LeaseClient, microTime, saysTheSame, type Lease, type LeaseRecord } from "./lease.ts";
import { ageOf, momentOf, Term, type Moment } from "./term.ts";

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
export interface LeaderOptions {
  /** False: leads from the beginning to the end, without a request. */
  readonly enabled: boolean;
  /** Others may take the lead when its holder was not heard of for so long, milliseconds. */
  readonly leaseDurationMs: number;
  /** The lead ends so long after the last renewal that worked was sent, milliseconds; at most leaseDurationMs. */
  readonly renewDeadlineMs: number;
  /** The Lease is looked at, or renewed, a little more often than so, milliseconds. */
  readonly retryPeriodMs: number;
  /** How long `finish` may take, milliseconds. */
  readonly drainMs: number;
  /** Who we are; no other process, before, now or later, may have the same. */
  readonly identity: string;
  /** A client of its own: a renewal must not wait for connections that calls use. */
  readonly client: Requester;
  readonly namespace: string;
  readonly hooks: LeaderHooks;
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly log: Log;
}

/** What is known of the Lease. */
interface Observation {
  /** As it was seen last. */
  readonly lease: Lease;
  /** Monotonic time at which it was first seen to say that, or to be missing. */
  readonly since: number;
  /** Outdated: somebody has changed it since. */
  readonly state: "current" | "outdated" | "missing";
}

/** Shortest pause between two rounds, milliseconds. */
const leastPauseMs = 50;
/** A failure that goes on is logged again after so long, milliseconds. */
const tellEveryMs = 300_000;
/** Attempts at giving the Lease back. */
const maxReleases = 3;
const ordinaryEnd = "the process ends";

/** Identity of a process: its host's name, and something random that no other has. */
export function electionIdentity(host: string, random: string): string {
  return `${host}_${random}`;
}

/** Takes part in the election. `run` once. */
export class Leader {
  readonly #options: LeaderOptions;
  readonly #leases: LeaseClient;
  #term: Term | undefined;
  #seen: Observation | undefined;
  /** The Lease may be ours, as far as we know: it is to be given back at the end. */
  #mayHold = false;
  /**
   * We have made the Lease anew where one was missing, and whoever held that may not know yet: the lead begins at this monotonic time, if the Lease stays ours until then.
   * Infinity: it is not known yet whether it was made.
   */
  #claimedUntil: number | undefined;
  /** Settles when the end of the last term was dealt with. */
  #stopped: Promise<void> = Promise.resolve();
  /** Failures in a row. */
  #failures = 0;
  #toldAt = Number.NEGATIVE_INFINITY;

  constructor(options: LeaderOptions) {
    this.#options = options;
    this.#leases = new LeaseClient(options);
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
    return this.#seen?.lease.holder ?? "";
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
    const lease = this.#ours();
    try {
      // If this is never answered, there is time for another one.
      if (lease) return term.renew(await this.#write(lease, renewDeadlineMs * 0.6, signal));
    } catch (error) {
      if (!isConflict(error) && !isMissing(error)) throw error;
    }
    // Somebody else has changed it, an answer to us was lost, or it was deleted.
    const current = await this.#look(renewDeadlineMs / 2, signal);
    if (current && !this.#isOurs(current)) return term.end(current.holder === "" ? "somebody has emptied the Lease" : "somebody else holds the Lease");
    term.renew(await this.#write(current, renewDeadlineMs / 2, signal));
    // It was ours all the time.
    if (term.goesOn()) this.#claimedUntil = undefined;
  }

  /** Takes the lead, if it is to be had. */
  async #acquire(signal: AbortSignal): Promise<void> {
    const { clock, renewDeadlineMs } = this.#options;
    await this.#settled();
    const lease = this.#ours() ?? (await this.#look(renewDeadlineMs, signal));
    if (signal.aborted || this.#isTaken()) return;
    try {
      const sent = await this.#write(lease, renewDeadlineMs, signal);
      // The answer may have taken too long, or we were stopped meanwhile; or we are asked to leave.
      if (!signal.aborted && !this.#onlyClaims() && ageOf(sent, clock) < renewDeadlineMs) this.#begin(sent);
    } catch (error) {
      // Others were faster, or it is not as it was when we held it: the next look tells.
      if (!isConflict(error) && !isMissing(error)) throw error;
      this.#mark("outdated");
    }
  }

  /** Whether the Lease is ours, but others may still believe that they lead. */
  #onlyClaims(): boolean {
    if (this.#claimedUntil !== undefined && this.#options.clock.monotonic() >= this.#claimedUntil) this.#claimedUntil = undefined;
    return this.#claimedUntil !== undefined;
  }

  /** Reads the Lease and notes what it says. Undefined: there is none. */
  async #look(withinMs: number, signal: AbortSignal): Promise<Lease | undefined> {
    const lease = await this.#leases.get(withinMs, signal);
    if (lease) this.#observe(lease);
    else if (this.#seen?.state !== "missing") this.#mark("missing");
    return lease;
  }

  /** Makes the Lease ours, or keeps it so. @param lease undefined: there is none. @returns when the request was sent, from which the lead counts. */
  async #write(lease: Lease | undefined, withinMs: number, signal: AbortSignal): Promise<Moment> {
    const { clock, identity, leaseDurationMs } = this.#options;
    const sent = momentOf(clock);
    const now = microTime(sent.wall);
    const isOurs = lease !== undefined && this.#isOurs(lease);
    const record: LeaseRecord = {
      holder: identity,
      durationMs: leaseDurationMs,
      acquireTime: isOurs ? (lease.acquireTime ?? now) : now,
      renewTime: now,
      transitions: lease === undefined ? 0 : lease.transitions + (isOurs ? 0 : 1),
    };
    // The first one of all, as far as we know, waits for nobody.
    if (!lease && (this.#seen || this.#mayHold)) this.#claimedUntil = Number.POSITIVE_INFINITY;
    this.#mayHold = true;
    this.#observe(await (lease ? this.#leases.update(lease, record, withinMs, signal) : this.#leases.create(record, withinMs, signal)));
    return sent;
  }

  #observe(lease: Lease): void {
    const { clock, log } = this.#options;
    const before = this.#seen;
    const isNews = before?.state === "missing" || !before || !saysTheSame(before.lease, lease);
    this.#seen = { lease, since: isNews ? clock.monotonic() : before.since, state: "current" };
    if (this.#isOurs(lease)) this.#noteClaim(before);
    else {
      this.#mayHold = false;
      this.#claimedUntil = undefined;
    }
    if (before?.lease.holder !== lease.holder) log.info({ holder: lease.holder }, lease.holder === "" ? "nobody holds the Lease" : "the Lease has a holder");
  }

  /** What we have made where one was missing is there: whoever held the other one has as much time as that one gave. */
  #noteClaim(before: Observation | undefined): void {
    const { clock, leaseDurationMs } = this.#options;
    if (this.#claimedUntil === Number.POSITIVE_INFINITY) this.#claimedUntil = clock.monotonic() + Math.max(leaseDurationMs, before?.lease.durationMs ?? 0);
  }

  /** What was seen does not count as it was. */
  #mark(state: "outdated" | "missing"): void {
    const { clock } = this.#options;
    if (this.#seen) this.#seen = { lease: this.#seen.lease, since: state === "missing" ? clock.monotonic() : this.#seen.since, state };
  }

  /** The Lease, if it is ours, as far as is known, and can be changed without a look. */
  #ours(): Lease | undefined {
    return this.#seen?.state === "current" && this.#isOurs(this.#seen.lease) ? this.#seen.lease : undefined;
  }

  #isOurs({ holder }: LeaseRecord): boolean {
    return holder === this.#options.identity;
  }

  /**
   * Whether somebody else holds the Lease, or may still believe so. By our own monotonic clock, and what we saw: clocks of machines are not compared.
   * Where there was a Lease that is missing now, its holder has some time to make it again.
   */
  #isTaken(): boolean {
    const { clock, leaseDurationMs, retryPeriodMs } = this.#options;
    if (!this.#seen) return false;
    const { lease, since, state } = this.#seen;
    if (state === "missing") return clock.monotonic() - since < 2 * retryPeriodMs;
    if (lease.holder === "" || this.#isOurs(lease)) return false;
    return clock.monotonic() - since < (lease.durationMs ?? leaseDurationMs);
  }

  /** @param renewed undefined: a lead that does not end by itself. */
  #begin(renewed: Moment | undefined): void {
    const { clock, hooks, log, renewDeadlineMs } = this.#options;
    const term = new Term({ clock, renewed, lastsMs: renewDeadlineMs, onEnded: (reason) => this.#ended(reason) });
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

  /** Gives the Lease back, as client-go does, if it may be ours. */
  async #release(): Promise<void> {
    const { clock, renewDeadlineMs, log } = this.#options;
    if (!this.#mayHold) return;
    const never = new AbortController().signal;
    const withinMs = renewDeadlineMs / 2;
    try {
      for (let tries = 0; tries < maxReleases; tries++) {
        const lease = this.#ours() ?? (await this.#leases.get(withinMs, never));
        if (!lease || !this.#isOurs(lease)) return;
        const now = microTime(clock.now());
        try {
          await this.#leases.update(lease, { holder: "", durationMs: 1000, acquireTime: now, renewTime: now, transitions: lease.transitions }, withinMs, never);
          return;
        } catch (error) {
          if (!isConflict(error)) throw error;
          this.#mark("outdated");
        }
      }
    } catch (error) {
      log.warn({ error: messageOf(error) }, "the Lease could not be given back: another replica takes over when it has run out");
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
