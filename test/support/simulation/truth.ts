/** What people were promised: which starts were answered, and when who was told to be active, by processes that could pass it on. */
import type { Replica } from "./replica.ts";

/** Who was told. */
type Listener = Pick<Replica, "slot">;

/** Activity that a process was told of. */
interface Told {
  readonly at: number;
  readonly replica: Listener;
}

/** A time in which activity may have been lost. */
interface Trouble {
  readonly slot: number | undefined;
  readonly from: number;
  to: number;
}

/** Activity is written so much later at most, virtual milliseconds: the interval, a sweep, and the patience of a request. */
const writtenMs = 300_000 + 30_000 + 60_000;

/** The truth. Times are virtual milliseconds. */
export class Truth {
  readonly #started = new Set<number>();
  readonly #told = new Map<string, Told[]>();
  readonly #troubles: Trouble[] = [];

  /** The start of a life was answered. @param life its number (lives.ts). */
  started(life: number): void {
    this.#started.add(life);
  }

  isStarted(life: number): boolean {
    return this.#started.has(life);
  }

  told(id: string, at: number, replica: Listener): void {
    const told = this.#told.get(id) ?? [];
    this.#told.set(id, told);
    told.push({ at, replica });
    if (told.length > 50) told.shift();
  }

  /** From now on a replica, or all, may not get at the API server, or be gone. Gives the end of it. */
  trouble(slot: number | undefined, from: number): (to: number) => void {
    const trouble: Trouble = { slot, from, to: Number.POSITIVE_INFINITY };
    this.#troubles.push(trouble);
    return (to) => {
      trouble.to = to;
    };
  }

  /** When somebody was active last, as far as a process was told that could write it. */
  activeAt(id: string, now: number): number | undefined {
    return this.#told.get(id)?.findLast(({ at, replica }) => !this.#mayBeLost(at, Math.min(now, at + writtenMs), replica))?.at;
  }

  #mayBeLost(from: number, to: number, { slot }: Listener): boolean {
    return this.#troubles.some((trouble) => (trouble.slot === undefined || trouble.slot === slot) && trouble.from <= to && trouble.to >= from);
  }
}
