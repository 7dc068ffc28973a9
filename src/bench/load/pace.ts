/** When calls are made (one after the other by so many callers, at a fixed rate, or all at once), and how long each took. */
import type { Histogram } from "hdr-histogram-js";
import { z } from "zod";
import type { CallEnd } from "./grpc-unary.ts";
import { delayHistogram, recordDelay } from "./ledger.ts";
import { Pending } from "./pending.ts";

export const paceSchema = z.discriminatedUnion("kind", [
  /** Closed loop: each caller makes its next call when the one before is answered. The first one makes one however little time there is. */
  z.object({ kind: z.literal("loop"), callers: z.number(), seconds: z.number() }),
  /** Open loop: call n is due n / `perSecond` seconds after `startAt` (on the machine's clock), whatever became of those before it, and its delay counts from then. */
  z.object({ kind: z.literal("rate"), perSecond: z.number(), startAt: z.number(), seconds: z.number() }),
  /** All at the same moment. */
  z.object({ kind: z.literal("once") }),
]);

/** See {@link paceSchema}. */
export type Pace = z.infer<typeof paceSchema>;

/** What is paced. */
export interface Drive {
  readonly pace: Pace;
  /** Most calls. */
  readonly total: number;
  /** Makes call n. If it rejects, no further one is made, and `drive` rejects. @param slot number of the caller, in a closed loop; else n. */
  readonly make: (n: number, slot: number) => Promise<CallEnd>;
  /** Whether no further call is to be made. */
  readonly stopped: () => boolean;
  readonly clock: PaceClock;
}

/** Time, in milliseconds. */
export interface PaceClock {
  now(): number;
  sleepUntil(at: number): Promise<void>;
}

/** What became of the calls. */
export interface Driven {
  /** Calls that were made, and of these, that failed. */
  readonly sent: number;
  readonly failed: number;
  /** Why the first one failed; empty if none did. */
  readonly why: string;
  /** From when a call was due (in a closed loop: made) to its whole answer, of those that did not fail. */
  readonly delays: Histogram;
  /** From when a call was due to when it was made: nothing but in an open loop. */
  readonly late: Histogram;
  /** From the first call to the last answer. */
  readonly from: number;
  readonly to: number;
}

/** Most calls under way in an open loop. At that bound the next one waits, and those that are due meanwhile are late. */
const maxPending = 4096;
/** A server that refuses is not asked as fast as it can refuse, milliseconds. */
const restMs = 10;
/** Calls that are due so soon are made now: no timer is as precise, milliseconds. */
const soonMs = 0.5;

/** Makes the calls; resolves once all are answered. Rejects with RangeError if all at once have no number, and if making a call does. */
export async function drive(given: Drive): Promise<Driven> {
  const run = new Run(given);
  const from = given.pace.kind === "rate" ? given.pace.startAt : given.clock.now();
  await run.all(from);
  const { sent, failed, why, delays, late } = run;
  return { sent, failed, why, delays, late, from, to: given.clock.now() };
}

/** One time that calls are made. */
class Run {
  sent = 0;
  failed = 0;
  why = "";
  readonly delays = delayHistogram();
  readonly late = delayHistogram();
  readonly #given: Drive;
  #broken = false;

  constructor(given: Drive) {
    this.#given = given;
  }

  async all(from: number): Promise<void> {
    const { pace } = this.#given;
    switch (pace.kind) {
      case "loop": return this.#loop(pace, from);
      case "rate": return this.#atRate(pace);
      case "once": return this.#once(from);
    }
  }

  async #loop({ callers, seconds }: Extract<Pace, { kind: "loop" }>, from: number): Promise<void> {
    const { total, clock } = this.#given;
    const until = from + seconds * 1000;
    const caller = async (slot: number): Promise<void> => {
      while (this.sent < total && (this.sent === 0 || clock.now() < until) && !this.#over()) {
        const ok = await this.#one(this.sent++, slot, clock.now());
        if (!ok) await clock.sleepUntil(clock.now() + restMs);
      }
    };
    await Promise.all(Array.from({ length: callers }, (_, slot) => caller(slot)));
  }

  async #atRate({ perSecond, startAt, seconds }: Extract<Pace, { kind: "rate" }>): Promise<void> {
    const { clock } = this.#given;
    const total = Math.min(this.#given.total, Math.ceil(perSecond * seconds));
    const pending = new Pending();
    while (this.sent < total) {
      const due = startAt + (this.sent * 1000) / perSecond;
      if (due - clock.now() > soonMs) await clock.sleepUntil(due);
      await pending.below(maxPending);
      if (this.#over()) break;
      const n = this.sent++;
      recordDelay(this.late, clock.now() - due);
      pending.add(this.#one(n, n, due).then(() => {}));
    }
    await pending.below(1);
  }

  async #once(from: number): Promise<void> {
    const { total, stopped } = this.#given;
    if (!Number.isSafeInteger(total)) throw new RangeError("how many calls at once?");
    if (stopped()) return;
    await Promise.all(Array.from({ length: total }, async (_, n) => {
      this.sent++;
      await this.#one(n, n, from);
    }));
  }

  #over(): boolean {
    return this.#broken || this.#given.stopped();
  }

  /** Tells whether it was answered. */
  async #one(n: number, slot: number, due: number): Promise<boolean> {
    const { make, clock } = this.#given;
    const { ok, why } = await make(n, slot).catch((error: unknown) => {
      this.#broken = true;
      throw error;
    });
    if (ok) recordDelay(this.delays, clock.now() - due);
    else {
      this.failed++;
      if (this.why === "") this.why = why;
    }
    return ok;
  }
}
