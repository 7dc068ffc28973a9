/** What acts on a workspace share: who may act, and until when; and writing a last word that has to be written. */
import { Backoff } from "../../domain/backoff.ts";
import { sleep, type Clock } from "../../domain/clock.ts";
import { messageOf, RemoteError, WsmanError } from "../../domain/errors.ts";
import type { Log } from "../../domain/log.ts";
import type { Priority } from "../kube/budget.ts";
import { KubeError } from "../kube/errors.ts";
import type { PodEvent } from "../kube/event-recorder.ts";
import { isMissing, type Wish } from "../kube/objects.ts";
import type { WorkspaceRecord } from "../state/registry.ts";

/** A time in which this replica leads. */
export interface Term {
  /** Aborts when it ends. */
  readonly signal: AbortSignal;
  /** Whether it goes on at this very moment: asked before each act, for a timer that should have ended it may be late. */
  goesOn(): boolean;
}

/** May act on one workspace, until it is overtaken by what happens, or the term ends. */
export class Permit {
  readonly signal: AbortSignal;
  /** When this replica began to lead, Unix milliseconds: what was to be done before that could not be done by us. */
  readonly since: number;
  readonly #term: Term;

  constructor(term: Term, since: number, signal: AbortSignal) {
    this.#term = term;
    this.since = since;
    this.signal = signal;
  }

  /** @throws the signal's reason if it is over. */
  check(): void {
    this.signal.throwIfAborted();
    if (!this.#term.goesOn()) throw new OvertakenError("another replica leads");
  }

  /** Whether this replica leads still, whatever has overtaken the work. */
  get leads(): boolean {
    return this.#term.goesOn();
  }

  /** For requests to the API server. */
  wish(priority: Priority): Wish {
    return { priority, signal: this.signal, may: () => this.#term.goesOn() };
  }
}

/** What was begun is not wanted any more: nobody is told. */
export class OvertakenError extends Error {
  override readonly name = "OvertakenError";
}

/** How it ended: an error after the permit ran out says nothing about what was tried. */
export function isOvertaken(error: unknown, { signal }: Permit): boolean {
  return signal.aborted || error instanceof OvertakenError || (error instanceof KubeError && error.reason === "Aborted");
}

/** Delays between attempts of anything that failed, milliseconds: soon at first, and no burden if it goes on failing. */
export const retryDelays = { baseMs: 1_000, maxMs: 30_000 } as const;

/** Tells people what was done to a workspace and why, without waiting for anybody. Must not throw. */
export type Note = (record: WorkspaceRecord, event: Pick<PodEvent, "type" | "reason" | "message">) => void;

/** What insisting takes. */
export interface Insistence {
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly log: Log;
}

/** Does something until it succeeds. A pod that is gone needs it no more. Rejects only when it is overtaken. @param what for the log, as in "write the result of the backup". */
export async function insist(what: string, work: () => Promise<void>, permit: Permit, { clock, random, log }: Insistence): Promise<void> {
  const delays = new Backoff({ ...retryDelays, random });
  for (;;) {
    permit.check();
    try {
      await work();
      return;
    } catch (error) {
      if (isMissing(error)) return;
      if (isOvertaken(error, permit)) throw error;
      if (delays.attempts === 0) log.warn({ error: messageOf(error) }, `cannot ${what}, trying again until it works`);
      await sleep(clock, delays.next(), permit.signal);
    }
  }
}

/** gRPC codes, as far as what node daemons say makes a difference. */
export const grpc = { CANCELLED: 1, DEADLINE_EXCEEDED: 4, NOT_FOUND: 5, ALREADY_EXISTS: 6, UNAVAILABLE: 14 } as const;

/** The gRPC code of a failed call to a node daemon; undefined if it failed in another way. */
export function grpcCodeOf(error: unknown): number | undefined {
  if (error instanceof RemoteError) return error.code;
  return error instanceof WsmanError && error.code === "UNAVAILABLE" ? grpc.UNAVAILABLE : undefined;
}
