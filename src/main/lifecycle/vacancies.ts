/** Workspaces whose pod is gone because a node refused it: whoever leads makes it anew, and if that does not happen in time, the workspace has ended (spec: lifecycle, "Scheduling"). */
import type { Clock } from "../../domain/clock.ts";
import { messageOf } from "../../domain/errors.ts";
import type { Log } from "../../domain/log.ts";
import type { WorkspaceRecord } from "../state/registry.ts";

/** What it works with. */
export interface VacancyOptions {
  /** No pod is going to take the place of this one. */
  readonly giveUp: (uid: string) => void;
  /** Resolves once all that was heard of the cluster so far has taken effect. */
  readonly caughtUp: () => Promise<unknown>;
  /** Looks for a pod that has taken the place, which takes effect; gives whether there is one. Rejects if that can not be known. */
  readonly look: (record: WorkspaceRecord) => Promise<boolean>;
  /** timeouts.initialization, milliseconds: so long after its creation a workspace must have got a place. */
  readonly limitMs: number;
  readonly clock: Clock;
  readonly log: Log;
}

/** The leader ends it itself if it can; others wait a little longer, milliseconds: a request that it sent just in time may take so long. Between two looks as well. */
const marginMs = 12_000;

/** Of the looks that tell nothing, each n-th is logged: about every ten minutes. */
const looksPerLog = 50;

/** A timer or a look for each; there are as many as there are workspaces at most. */
export class Vacancies {
  readonly #options: VacancyOptions;
  readonly #cancels = new Map<string, () => void>();
  #closed = false;

  constructor(options: VacancyOptions) {
    this.#options = options;
  }

  /** A pod is gone, and another one is expected. */
  add(record: WorkspaceRecord): void {
    this.#arm(record, Math.max(0, this.#leftMs(record)) + marginMs, 0);
  }

  /** It has come, or the workspace has ended. */
  remove({ uid }: Pick<WorkspaceRecord, "uid">): void {
    this.#cancels.get(uid)?.();
    this.#cancels.delete(uid);
  }

  /** Forgets all. */
  close(): void {
    this.#closed = true;
    for (const cancel of this.#cancels.values()) cancel();
    this.#cancels.clear();
  }

  /** Of the time in which its pod may be made anew, by the wall clock. */
  #leftMs({ facts }: WorkspaceRecord): number {
    return facts.createdAt + this.#options.limitMs - this.#options.clock.now();
  }

  /** @param looks that have told nothing so far. */
  #arm(record: WorkspaceRecord, inMs: number, looks: number): void {
    this.remove(record);
    if (this.#closed) return;
    this.#cancels.set(record.uid, this.#options.clock.timer(inMs, () => this.#due(record, looks)));
  }

  #due(record: WorkspaceRecord, looks: number): void {
    const leftMs = this.#leftMs(record);
    // The clock was ahead when the pod went.
    if (leftMs > 0) {
      this.#arm(record, leftMs + marginMs, looks);
      return;
    }
    const ending = new AbortController();
    this.#cancels.set(record.uid, () => ending.abort());
    this.#end(record, ending.signal).catch((error: unknown) => {
      if (ending.signal.aborted) return;
      if (looks % looksPerLog === 0) this.#options.log.warn({ id: record.facts.id, error: messageOf(error) }, "cannot tell whether a workspace's pod was made anew: it has not ended until that is known");
      this.#arm(record, marginMs, looks + 1);
    });
  }

  /** Its time is over, but we may have heard of the pod that took its place, and not have come to it; or not have heard. Rejects if that can not be known. */
  async #end(record: WorkspaceRecord, signal: AbortSignal): Promise<void> {
    const { caughtUp, look, giveUp } = this.#options;
    await caughtUp();
    if (signal.aborted) return;
    const isThere = record.vacant && (await look(record));
    if (signal.aborted) return;
    if (isThere && record.vacant) throw new Error("a pod is there that is not known to be its successor");
    this.#cancels.delete(record.uid);
    // It may be there again itself.
    if (record.vacant) giveUp(record.uid);
  }
}
