/** What must hold, and what was found not to. */

/** Something that is not as promised. */
export interface Breach {
  /** Which promise; one of few words, equal for equal kinds. */
  readonly law: string;
  readonly what: string;
  /** Virtual milliseconds since the beginning. */
  readonly at: number;
}

/** Breaches that are kept. */
const maxBreaches = 20;

/** Gathers breaches, and counts what was done. */
export class Ledger {
  readonly breaches: Breach[] = [];
  readonly counts = new Map<string, number>();
  readonly #now: () => number;
  readonly #note: (text: string) => void;

  constructor(now: () => number, note: (text: string) => void) {
    this.#now = now;
    this.#note = note;
  }

  breach(law: string, what: string): void {
    this.#note(`BREACH ${law}: ${what}`);
    if (this.breaches.length < maxBreaches) this.breaches.push({ law, what, at: this.#now() });
  }

  did(what: string, times = 1): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + times);
  }
}
