/** Work that has a moment's time is gathered and begun together, so that what it wakes, here and elsewhere, is woken once for all of it. */
import type { Clock } from "../../domain/clock.ts";

/** How rounds are done. */
export interface RoundsOptions<T> {
  readonly clock: Clock;
  /** From the first piece of work until its round begins, milliseconds. */
  readonly gatherMs: number;
  /** Pieces that are under way at the same time, of whatever rounds. */
  readonly atOnce: number;
  /** Does one piece; must not reject. Whether there is still something to be done is asked here. */
  readonly work: (item: T) => Promise<unknown>;
}

/** Rounds. A piece that takes long takes one place, and holds up no round. Each item waits once, and is under way once: bounded by whoever gives them. */
export class Rounds<T> {
  readonly #options: RoundsOptions<T>;
  /** For the next round; and those whose round has begun. */
  readonly #next = new Set<T>();
  readonly #due = new Set<T>();
  readonly #underWay = new Set<T>();
  readonly #workers = new Set<Promise<void>>();
  #planned = false;
  #ended = false;

  constructor(options: RoundsOptions<T>) {
    this.#options = options;
  }

  /** Items that wait for their round, or in it for their turn. */
  get waiting(): number {
    return this.#next.size + this.#due.size;
  }

  /** For the next round, if it does not wait already. */
  add(item: T): void {
    if (this.#ended || this.#due.has(item)) return;
    this.#next.add(item);
    this.#plan();
  }

  /** Nothing is to be done about it any more. */
  remove(item: T): void {
    this.#next.delete(item);
    this.#due.delete(item);
  }

  /** Begins nothing more; resolves when what is under way is done. */
  async end(): Promise<void> {
    this.#ended = true;
    this.#next.clear();
    this.#due.clear();
    await Promise.all(this.#workers);
  }

  #plan(): void {
    if (this.#planned || this.#next.size === 0) return;
    this.#planned = true;
    this.#options.clock.timer(this.#options.gatherMs, () => {
      this.#planned = false;
      this.#begin();
    });
  }

  #begin(): void {
    for (const item of this.#next) this.#due.add(item);
    this.#next.clear();
    for (let wanted = Math.min(this.#options.atOnce - this.#workers.size, this.#due.size); wanted > 0; wanted--) {
      const worker = this.#work();
      this.#workers.add(worker);
      void worker.finally(() => this.#workers.delete(worker));
    }
  }

  async #work(): Promise<void> {
    for (let item = this.#take(); item; item = this.#take()) {
      this.#underWay.add(item.of);
      await this.#options.work(item.of);
      this.#underWay.delete(item.of);
    }
  }

  /** The first that is not under way already: that one is done again by whoever does it. */
  #take(): { readonly of: T } | undefined {
    for (const item of this.#due) {
      if (this.#underWay.has(item)) continue;
      this.#due.delete(item);
      return { of: item };
    }
    return undefined;
  }
}
