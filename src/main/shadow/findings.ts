/** What a comparison has found: counted by field, and told in the log, some workspaces by name and the others by number. */
import type { Clock } from "../../domain/clock.ts";
import type { Log } from "../../domain/log.ts";
import type { ShadowMetrics } from "../../metrics/shadow.ts";
import type { Difference } from "./differences.ts";

/** What it works with. */
export interface FindingsOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Pick<ShadowMetrics, "differs">;
}

/** Workspaces that are named for each field in which they differ; of more the log tells the number, once a minute. */
const examples = 20;
const moreEveryMs = 60_000;

/** By field, those that are wanted apart from the others. */
class Counts {
  readonly differences = new Map<string, number>();
  readonly wanted = new Map<string, number>();

  /** Gives the new count. */
  up({ field, wanted }: Difference): number {
    const counts = wanted === undefined ? this.differences : this.wanted;
    const count = (counts.get(field) ?? 0) + 1;
    counts.set(field, count);
    return count;
  }
}

/** Counts and tells. */
export class Findings {
  readonly #options: FindingsOptions;
  readonly #found = new Counts();
  /** Of fields that enough workspaces were named for, since they were told last. */
  #untold = new Counts();
  #untoldAt = Number.NEGATIVE_INFINITY;

  constructor(options: FindingsOptions) {
    this.#options = options;
  }

  /** All that were found, by field. */
  get counts(): { readonly differences: Readonly<Record<string, number>>; readonly wanted: Readonly<Record<string, number>> } {
    const { differences, wanted } = this.#found;
    return { differences: Object.fromEntries(differences), wanted: Object.fromEntries(wanted) };
  }

  /** A workspace differs, as it did not before. */
  add(id: string, news: readonly Difference[]): void {
    const named = news.filter((difference) => this.#count(difference) <= examples);
    if (named.length > 0) this.#name(id, named);
    if (news.length > named.length) this.#tellUntold(moreEveryMs);
  }

  /** Tells what was not told yet. */
  close(): void {
    this.#tellUntold(0);
  }

  /** Gives how often it was found so far. */
  #count(difference: Difference): number {
    const count = this.#found.up(difference);
    this.#options.metrics.differs(difference.field, difference.wanted !== undefined);
    if (count > examples) this.#untold.up(difference);
    return count;
  }

  #name(id: string, named: readonly Difference[]): void {
    const { log } = this.#options;
    const plain = named.filter(({ wanted }) => wanted === undefined);
    const wanted = named.filter((difference) => difference.wanted !== undefined);
    if (plain.length > 0) log.warn({ id, fields: plain.map(({ field }) => field), ...shownOf(plain) }, "its status differs from the other manager's");
    if (wanted.length > 0) log.info({ id, reasons: Object.fromEntries(wanted.map((difference) => [difference.field, difference.wanted])), ...shownOf(wanted) }, "its status differs from the other manager's, as it is to");
  }

  /** @param everyMs not more often than this. */
  #tellUntold(everyMs: number): void {
    const { clock, log } = this.#options;
    const { differences, wanted } = this.#untold;
    if (differences.size + wanted.size === 0 || clock.monotonic() - this.#untoldAt < everyMs) return;
    this.#untoldAt = clock.monotonic();
    this.#untold = new Counts();
    if (differences.size > 0) log.warn({ differences: Object.fromEntries(differences) }, "statuses of more workspaces differ from the other manager's in fields that were told of");
    if (wanted.size > 0) log.info({ wanted: Object.fromEntries(wanted) }, "statuses of more workspaces differ from the other manager's, as they are to");
  }
}

function shownOf(differences: readonly Difference[]): { readonly values?: object } {
  const shown = differences.filter(({ values }) => values !== undefined);
  return shown.length === 0 ? {} : { values: Object.fromEntries(shown.map(({ field, values }) => [field, values])) };
}
