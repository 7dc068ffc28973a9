/** Counts of the daemon's requests to the API server by verb and resource, as its metrics have them. */

/** Requests by "verb resource". */
export type RequestCounts = ReadonlyMap<string, number>;

const counter = "wsmand_api_requests_total{";

/** Reads them from metrics by their names with labels; watches, which last, are left out. Empty for a daemon that has no such metric. */
export function requestCounts(metrics: ReadonlyMap<string, number>): RequestCounts {
  const counts = new Map<string, number>();
  for (const [name, value] of metrics) {
    if (!name.startsWith(counter)) continue;
    const verb = labelIn(name, "verb");
    const key = `${verb} ${labelIn(name, "resource")}`;
    if (verb !== "watch") counts.set(key, (counts.get(key) ?? 0) + value);
  }
  return counts;
}

/** What came between two readings, the most frequent first; nothing that did not. */
export function requestsBetween(before: RequestCounts, after: RequestCounts): readonly (readonly [request: string, count: number])[] {
  return [...after].map(([key, count]) => [key, count - (before.get(key) ?? 0)] as const).filter(([, count]) => count > 0).toSorted((a, b) => b[1] - a[1]);
}

function labelIn(name: string, label: string): string {
  return new RegExp(`[{,]${label}="([^"]*)"`).exec(name)?.[1] ?? "";
}
