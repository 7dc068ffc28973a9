/** Reads metrics in Prometheus' text format. */

/** Sum of the samples of a metric whose labels hold all of these; 0 if there is none. */
export function sumOf(metrics: string, name: string, labels: Readonly<Record<string, string>> = {}): number {
  let sum = 0;
  for (const line of metrics.split("\n")) {
    const [, found, given = "", value] = /^([a-zA-Z_:]+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
    if (found === name && Object.entries(labels).every(([key, expected]) => given.includes(`${key}="${expected}"`))) sum += Number(value);
  }
  return sum;
}
