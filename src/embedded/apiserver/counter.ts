/** Counts requests by verb, resource and subresource. */
import type { ResourceRequest } from "./request.ts";

/** Requests of one kind. */
export interface RequestCount {
  readonly verb: string;
  readonly resource: string;
  readonly subresource: string;
  readonly count: number;
}

/** The counter. Its kinds are bounded by the API's verbs and resources. */
export class RequestCounter {
  readonly #counts = new Map<string, RequestCount>();

  add({ verb, type, subresource }: ResourceRequest): void {
    const key = `${verb} ${type.plural}/${subresource}`;
    const count = (this.#counts.get(key)?.count ?? 0) + 1;
    this.#counts.set(key, { verb, resource: type.plural, subresource, count });
  }

  /** All counts since the start or the last reset. */
  snapshot(): readonly RequestCount[] {
    return [...this.#counts.values()];
  }

  /** Requests that match; what is left out matches all. */
  total(filter: { readonly verb?: string; readonly resource?: string; readonly subresource?: string } = {}): number {
    return this.snapshot()
      .filter((entry) => (filter.verb ?? entry.verb) === entry.verb && (filter.resource ?? entry.resource) === entry.resource && (filter.subresource ?? entry.subresource) === entry.subresource)
      .reduce((sum, entry) => sum + entry.count, 0);
  }

  reset(): void {
    this.#counts.clear();
  }
}
