/** Counting without cost: plain numbers on the hot path, given to prom-client only when somebody scrapes. */
import { Counter } from "prom-client";
import type { Registry } from "prom-client";

/** A number that only grows. Adding is one addition: no label is hashed, nothing is allocated. */
export class Tally {
  #total = 0;

  /** Adds `count`, 1 if not told. Negative and non-finite counts are ignored: a counter must never go back. */
  add(count = 1): void {
    if (count > 0 && count < Infinity) this.#total += count;
  }

  /** The sum so far. */
  get total(): number {
    return this.#total;
  }
}

/** Declares a counter without labels that reports a tally. */
export function tallyCounter(registry: Registry, name: string, help: string): Tally {
  const tally = new Tally();
  registry.registerMetric(new Counter({
    name,
    help,
    registers: [],
    collect() {
      this.reset();
      this.inc(tally.total);
    },
  }));
  return tally;
}

/** How many label combinations one metric may have, unless it says otherwise. */
export const maxSeries = 500;

/** Tallies by label values, at most `limit` combinations; what comes later is counted under "other" in every label. */
export class TallyFamily<Label extends string> {
  readonly #labelNames: readonly Label[];
  readonly #limit: number;
  readonly #tallies = new Map<string, { readonly labels: Partial<Record<Label, string>>; readonly tally: Tally }>();

  constructor(labelNames: readonly Label[], limit = maxSeries) {
    this.#labelNames = labelNames;
    this.#limit = limit;
  }

  /** The tally for these label values, in the order of the label names. Keep it where it is used often. */
  of(...values: readonly string[]): Tally {
    const key = JSON.stringify(values);
    const known = this.#tallies.get(key);
    if (known) return known.tally;
    const full = this.#tallies.size >= this.#limit;
    const others = this.#labelNames.map(() => "other");
    if (full && values.some((value) => value !== "other")) return this.of(...others);
    const labels: Partial<Record<Label, string>> = {};
    this.#labelNames.forEach((name, i) => (labels[name] = values[i] ?? ""));
    const tally = new Tally();
    this.#tallies.set(key, { labels, tally });
    return tally;
  }

  /** Every combination there is, with its sum. */
  *entries(): Generator<{ labels: Partial<Record<Label, string>>; total: number }> {
    for (const { labels, tally } of this.#tallies.values()) yield { labels, total: tally.total };
  }
}

/** Declares a counter with labels that reports a family of tallies. */
export function tallyCounters<Label extends string>(registry: Registry, name: string, help: string, labelNames: readonly Label[], limit = maxSeries): TallyFamily<Label> {
  const family = new TallyFamily(labelNames, limit);
  registry.registerMetric(new Counter({
    name,
    help,
    labelNames: [...labelNames],
    registers: [],
    collect() {
      this.reset();
      for (const { labels, total } of family.entries()) this.inc(labels, total);
    },
  }));
  return family;
}

/** Replaces label values beyond the first `limit` distinct ones by "other". */
export function cap(limit: number): (value: string) => string {
  const seen = new Set<string>();
  return (value) => {
    if (seen.has(value)) return value;
    if (seen.size >= limit) return "other";
    seen.add(value);
    return value;
  };
}
