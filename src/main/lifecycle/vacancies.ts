/** Workspaces whose pod is gone because a node refused it: whoever leads makes it anew, and if that does not happen in time, the workspace has ended (spec: lifecycle, "Scheduling"). */
import type { Clock } from "../../domain/clock.ts";
import type { WorkspaceRecord } from "../state/registry.ts";

/** What it works with. */
export interface VacancyOptions {
  /** No pod is going to take the place of this one. */
  readonly giveUp: (uid: string) => void;
  /** timeouts.initialization, milliseconds: so long after its creation a workspace must have got a place. */
  readonly limitMs: number;
  readonly clock: Clock;
}

/** The leader ends it itself if it can; others wait a little longer, milliseconds: a request that it sent just in time may take so long. */
const marginMs = 12_000;

/** A timer for each; there are as many as there are workspaces at most. */
export class Vacancies {
  readonly #options: VacancyOptions;
  readonly #timers = new Map<string, () => void>();

  constructor(options: VacancyOptions) {
    this.#options = options;
  }

  /** A pod is gone, and another one is expected. */
  add({ uid, facts }: WorkspaceRecord): void {
    const { clock, limitMs, giveUp } = this.#options;
    this.#timers.get(uid)?.();
    const leftMs = Math.max(0, facts.createdAt + limitMs - clock.now()) + marginMs;
    this.#timers.set(uid, clock.timer(leftMs, () => {
      this.#timers.delete(uid);
      giveUp(uid);
    }));
  }

  /** It has come, or the workspace has ended. */
  remove({ uid }: WorkspaceRecord): void {
    this.#timers.get(uid)?.();
    this.#timers.delete(uid);
  }

  /** Forgets all. */
  close(): void {
    for (const cancel of this.#timers.values()) cancel();
    this.#timers.clear();
  }
}
