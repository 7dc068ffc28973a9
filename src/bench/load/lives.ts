/** Books the lives of workspaces that are made and deleted: each must be told, and as STOPPED exactly once, and then never again. */
import { stoppedPhase } from "./frame.ts";

/** What was told of the lives so far. */
export interface LifeCounts {
  /** Statuses STOPPED beyond the first of a workspace. */
  readonly again: number;
  /** Statuses of another phase after STOPPED. */
  readonly afterwards: number;
  /** STOPPED before the workspace was deleted. */
  readonly early: number;
}

/** One workspace. */
export class Life {
  readonly #told = Promise.withResolvers<void>();
  readonly #stopped = Promise.withResolvers<void>();
  /** From when on STOPPED is expected. */
  deleted = false;
  isTold = false;
  isStopped = false;

  /** Resolves when it was told of for the first time. */
  get told(): Promise<void> {
    return this.#told.promise;
  }

  /** Resolves when it was told as STOPPED. */
  get stopped(): Promise<void> {
    return this.#stopped.promise;
  }

  /** A status came. */
  take(phase: number): void {
    this.isTold = true;
    this.#told.resolve();
    if (phase !== stoppedPhase) return;
    this.isStopped = true;
    this.#stopped.resolve();
  }
}

/** All workspaces that are looked after. As many are remembered as were begun and not ended. */
export class Lives {
  readonly #lives = new Map<string, Life>();
  #again = 0;
  #afterwards = 0;
  #early = 0;

  get size(): number {
    return this.#lives.size;
  }

  get counts(): LifeCounts {
    return { again: this.#again, afterwards: this.#afterwards, early: this.#early };
  }

  /** A workspace will be made. */
  begin(id: string): Life {
    const life = new Life();
    this.#lives.set(id, life);
    return life;
  }

  /** It is looked after no longer. */
  end(id: string): void {
    this.#lives.delete(id);
  }

  /** A status came, of one of them or of any other workspace. */
  take(id: string, phase: number): void {
    const life = this.#lives.get(id);
    if (!life) return;
    if (life.isStopped) {
      if (phase === stoppedPhase) this.#again++;
      else this.#afterwards++;
      return;
    }
    if (phase === stoppedPhase && !life.deleted) this.#early++;
    life.take(phase);
  }
}
