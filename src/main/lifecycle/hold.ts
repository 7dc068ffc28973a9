/** A replica's hold on the Lease: what it has seen of it, whose it may be, and the requests that take, keep and give it back (spec: lifecycle, High availability). */
import { deadline, type Clock } from "../../domain/clock.ts";
import type { Log } from "../../domain/log.ts";
import type { Requester } from "../kube/client.ts";
import { isConflict } from "../kube/objects.ts";
import { LeaseClient, microTime, saysTheSame, type Lease, type LeaseRecord } from "./lease.ts";
import { momentOf, type Moment } from "./term.ts";

/** What it works with. */
export interface HoldOptions {
  /** Others may take the lead when its holder was not heard of for so long, milliseconds. */
  readonly leaseDurationMs: number;
  /** The lead ends so long after the last renewal that worked was answered, and within leaseDurationMs from when it was sent, milliseconds; at most leaseDurationMs. */
  readonly renewDeadlineMs: number;
  /** The Lease is looked at, or renewed, a little more often than so, milliseconds. */
  readonly retryPeriodMs: number;
  /** Who we are; no other process, before, now or later, may have the same. */
  readonly identity: string;
  /** A client of its own: a renewal must not wait for connections that calls use. */
  readonly client: Requester;
  readonly namespace: string;
  readonly clock: Clock;
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

/** Attempts at giving the Lease back. */
const maxReleases = 3;

/** What a replica knows of the Lease. Methods that ask reject with KubeErrors. */
export class LeaseHold {
  readonly #options: HoldOptions;
  readonly #leases: LeaseClient;
  #seen: Observation | undefined;
  /** The Lease may be ours, as far as we know: it is to be given back at the end. */
  #mayHold = false;
  /**
   * We have made the Lease anew where one was missing, and whoever held that may not know yet: the lead begins at this monotonic time, if the Lease stays ours until then.
   * Infinity: it is not known yet whether it was made.
   */
  #claimedUntil: number | undefined;

  constructor(options: HoldOptions) {
    this.#options = options;
    this.#leases = new LeaseClient(options);
  }

  /** Who holds the Lease, as far as is known; empty: nobody. */
  get holder(): string {
    return this.#seen?.lease.holder ?? "";
  }

  /** Whether this one is held by us. */
  isOurs({ holder }: LeaseRecord): boolean {
    return holder === this.#options.identity;
  }

  /** The Lease, if it is ours, as far as is known, and can be changed without a look. */
  ours(): Lease | undefined {
    return this.#seen?.state === "current" && this.isOurs(this.#seen.lease) ? this.#seen.lease : undefined;
  }

  /**
   * Whether somebody else holds the Lease, or may still believe so. By our own monotonic clock, and what we saw: clocks of machines are not compared.
   * Where there was a Lease that is missing now, its holder has some time to make it again.
   */
  isTaken(): boolean {
    const { clock, leaseDurationMs, retryPeriodMs } = this.#options;
    if (!this.#seen) return false;
    const { lease, since, state } = this.#seen;
    if (state === "missing") return clock.monotonic() - since < 2 * retryPeriodMs;
    if (lease.holder === "" || this.isOurs(lease)) return false;
    return clock.monotonic() - since < (lease.durationMs ?? leaseDurationMs);
  }

  /** Whether the Lease is ours, but others may still believe that they lead. */
  onlyClaims(): boolean {
    if (this.#claimedUntil !== undefined && this.#options.clock.monotonic() >= this.#claimedUntil) this.#claimedUntil = undefined;
    return this.#claimedUntil !== undefined;
  }

  /** It was ours all the time. */
  confirm(): void {
    this.#claimedUntil = undefined;
  }

  /** It is not as it was seen: the next look tells. */
  outdate(): void {
    this.#mark("outdated");
  }

  /** Reads the Lease and notes what it says. Undefined: there is none. */
  async look(withinMs: number, signal: AbortSignal): Promise<Lease | undefined> {
    const lease = await this.#leases.get(withinMs, signal);
    if (lease) this.#observe(lease);
    else if (this.#seen?.state !== "missing") this.#mark("missing");
    return lease;
  }

  /** Makes the Lease ours, or keeps it so. @param lease undefined: there is none. @param begins a lead begins with it, also where it is ours still from one that is over. @returns when the request was sent, from which the lead counts. */
  async write(lease: Lease | undefined, withinMs: number, signal: AbortSignal, begins = false): Promise<Moment> {
    const sent = momentOf(this.#options.clock);
    const record = this.#recordFor(lease, microTime(sent.wall), begins);
    // The first one of all, as far as we know, waits for nobody.
    if (!lease && (this.#seen || this.#mayHold)) this.#claimedUntil = Number.POSITIVE_INFINITY;
    this.#mayHold = true;
    this.#observe(await (lease ? this.#leases.update(lease, record, withinMs, signal) : this.#leases.create(record, withinMs, signal)));
    return sent;
  }

  #recordFor(lease: Lease | undefined, now: string, begins: boolean): LeaseRecord {
    const { identity, leaseDurationMs } = this.#options;
    const ours = lease && this.isOurs(lease) ? lease : undefined;
    return {
      holder: identity,
      durationMs: leaseDurationMs,
      acquireTime: (begins ? undefined : ours?.acquireTime) ?? now,
      renewTime: now,
      transitions: (lease?.transitions ?? 0) + (lease && !ours ? 1 : 0),
    };
  }

  /** Gives the Lease back, as client-go does, if it may be ours and that can be had within so long (ms). */
  async release(withinMs: number): Promise<void> {
    if (!this.#mayHold) return;
    const limit = deadline(this.#options.clock, withinMs, new AbortController().signal);
    try {
      await this.#release(withinMs, limit.signal);
    } finally {
      limit.cancel();
    }
  }

  async #release(withinMs: number, signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    for (let tries = 0; tries < maxReleases; tries++) {
      const lease = this.ours() ?? (await this.#leases.get(withinMs, signal));
      if (!lease || !this.isOurs(lease)) return;
      const now = microTime(clock.now());
      try {
        await this.#leases.update(lease, { holder: "", durationMs: 1000, acquireTime: now, renewTime: now, transitions: lease.transitions }, withinMs, signal);
        return;
      } catch (error) {
        if (!isConflict(error)) throw error;
        this.#mark("outdated");
      }
    }
  }

  #observe(lease: Lease): void {
    const { clock, log } = this.#options;
    const before = this.#seen;
    const isNews = before?.state === "missing" || !before || !saysTheSame(before.lease, lease);
    this.#seen = { lease, since: isNews ? clock.monotonic() : before.since, state: "current" };
    if (this.isOurs(lease)) this.#noteClaim(before);
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
}
