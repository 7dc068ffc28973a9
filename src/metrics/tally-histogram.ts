/** Histograms without cost: a search among a few bounds and two additions on the hot path, where prom-client puts a text of all labels together for every value. */
import { Histogram } from "prom-client";
import type { Registry } from "prom-client";

/** Values of one series, counted by bucket. */
export class HistogramTally {
  readonly #bounds: readonly number[];
  /** One more than there are bounds: for what is above all of them. */
  readonly #counts: Float64Array;
  #sum = 0;

  /** @param bounds of the buckets, rising. */
  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.#counts = new Float64Array(bounds.length + 1);
  }

  /** Adds a value. What is no finite number is ignored. */
  observe(value: number): void {
    if (!Number.isFinite(value)) return;
    let bucket = 0;
    while (bucket < this.#bounds.length && value > (this.#bounds[bucket] ?? Infinity)) bucket++;
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
    this.#sum += value;
  }

  /** Values up to each bound, and at last all of them; and their sum. */
  read(): { readonly cumulative: readonly number[]; readonly sum: number } {
    let total = 0;
    return { cumulative: Array.from(this.#counts, (count) => (total += count)), sum: this.#sum };
  }
}

type Exported = Awaited<ReturnType<Histogram["get"]>>;
type Labels = Readonly<Record<string, string>>;

/** What it is. */
export interface HistogramOptions {
  readonly name: string;
  readonly help: string;
  /** Bounds of the buckets, rising. */
  readonly buckets: readonly number[];
  /** Names of its series' labels. */
  readonly labelNames?: readonly string[];
}

/** A histogram as prom-client's registry wants it, whose values are elsewhere. */
class ReportedHistogram extends Histogram {
  readonly #description: Histogram;
  readonly #options: HistogramOptions;
  readonly #series: () => Iterable<readonly [labels: Labels, tally: HistogramTally]>;

  constructor(options: HistogramOptions, series: () => Iterable<readonly [labels: Labels, tally: HistogramTally]>) {
    const configuration = { name: options.name, help: options.help, buckets: [...options.buckets], labelNames: [...(options.labelNames ?? [])], registers: [] };
    super(configuration);
    this.#description = new Histogram(configuration);
    this.#options = options;
    this.#series = series;
  }

  override async get(): Promise<Exported> {
    return { ...(await this.#description.get()), values: [...this.#values()] };
  }

  /** What prom-client asks for where it makes text; its own one would tell of no values. */
  getForPromString(): Promise<Exported> {
    return this.get();
  }

  *#values(): Generator<Exported["values"][number]> {
    const { name, buckets } = this.#options;
    for (const [labels, tally] of this.#series()) {
      const { cumulative, sum } = tally.read();
      for (const [i, value] of cumulative.entries()) yield { metricName: `${name}_bucket`, labels: { le: buckets[i] ?? "+Inf", ...labels }, value };
      yield { metricName: `${name}_sum`, labels, value: sum };
      yield { metricName: `${name}_count`, labels, value: cumulative.at(-1) ?? 0 };
    }
  }
}

/** Declares a histogram without labels. */
export function tallyHistogram(registry: Registry, options: HistogramOptions): HistogramTally {
  const tally = new HistogramTally(options.buckets);
  registry.registerMetric(new ReportedHistogram(options, () => [[{}, tally]]));
  return tally;
}

/** Declares a histogram with labels; gives the way to a new series, which is there at zero from then on. The caller bounds their number, and asks once for each. */
export function tallyHistograms(registry: Registry, options: HistogramOptions & { readonly labelNames: readonly string[] }): (labels: Labels) => HistogramTally {
  const series: (readonly [Labels, HistogramTally])[] = [];
  registry.registerMetric(new ReportedHistogram(options, () => series));
  return (labels) => {
    const tally = new HistogramTally(options.buckets);
    series.push([labels, tally]);
    return tally;
  };
}
