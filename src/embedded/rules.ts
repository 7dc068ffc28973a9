/** Faults on demand as a list of rules: the first one that fits what happens strikes, for so many times, or in a share of the cases. */

/** What every rule has. */
export interface Rule {
  /** Share of what it fits, 0 to 100. Default 100. */
  readonly percent?: number | undefined;
  /** How often it strikes before it is gone; default: until it is removed. */
  readonly times?: number | undefined;
}

/** Most rules in one list. */
const maxRules = 1000;

/** Rules of one kind. */
export class Rules<R extends Rule, T> {
  readonly #fits: (rule: R, target: T) => boolean;
  readonly #random: () => number;
  readonly #left = new Map<R, number>();

  /** `random` gives numbers from 0 to below 1. */
  constructor(fits: (rule: R, target: T) => boolean, random: () => number) {
    this.#fits = fits;
    this.#random = random;
  }

  /** Adds a rule; gives the way to remove it. At most 1,000 rules: more throw RangeError. */
  add(rule: R): () => void {
    if (this.#left.size >= maxRules) throw new RangeError(`more than ${maxRules} faults`);
    const own = { ...rule };
    this.#left.set(own, rule.times ?? Number.POSITIVE_INFINITY);
    return () => void this.#left.delete(own);
  }

  /** Removes all. */
  clear(): void {
    this.#left.clear();
  }

  /** The first rule that strikes, if one does. */
  strike(target: T): R | undefined {
    for (const [rule, left] of this.#left) {
      if (!this.#fits(rule, target) || this.#random() * 100 >= (rule.percent ?? 100)) continue;
      if (left <= 1) this.#left.delete(rule);
      else this.#left.set(rule, left - 1);
      return rule;
    }
    return undefined;
  }
}
