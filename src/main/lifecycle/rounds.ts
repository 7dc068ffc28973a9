/** Work that has a moment's time is gathered and done together, so that what it wakes, here and elsewhere, is woken once for all of it. */
import type { Clock } from "../../domain/clock.ts";

/** How rounds are done. */
export interface RoundsOptions<T> {
  readonly clock: Clock;
  /** From the first piece of work until its round begins, milliseconds. */
  readonly gatherMs: number;
  /** Pieces of a round that are under way at the same time. */
  readonly atOnce: number;
  /** Does one piece; must not reject. Whether there is still something to be done is asked here. */
  readonly work: (item: T) => Promise<unknown>;
}

/** Rounds, one after the other. Each item is in the next one once: bounded by whoever gives them. */
export class Rounds<T> {
  readonly #options: RoundsOptions<T>;
  readonly #next = new Set<T>();
  #planned = false;
  #running: Promise<void> | undefined;
  #ended = false;

  constructor(options: RoundsOptions<T>) {
    this.#options = options;
  }

  /** Items that wait for their round. */
  get waiting(): number {
    return this.#next.size;
  }

  /** For the next round. */
  add(item: T): void {
    if (this.#ended) return;
    this.#next.add(item);
    this.#plan();
  }

  /** Nothing is to be done about it any more. */
  remove(item: T): void {
    this.#next.delete(item);
  }

  /** Begins nothing more; resolves when what is under way is done. */
  async end(): Promise<void> {
    this.#ended = true;
    this.#next.clear();
    await this.#running;
  }

  #plan(): void {
    if (this.#planned || this.#running || this.#next.size === 0) return;
    this.#planned = true;
    this.#options.clock.timer(this.#options.gatherMs, () => {
      this.#planned = false;
      this.#running = this.#round().finally(() => {
        this.#running = undefined;
        this.#plan();
      });
    });
  }

  async #round(): Promise<void> {
    const items = [...this.#next].values();
    this.#next.clear();
    const worker = async (): Promise<void> => {
      for (const item of items) {
        if (this.#ended) return;
        await this.#options.work(item);
      }
    };
    await Promise.all(Array.from({ length: this.#options.atOnce }, worker));
  }
}
