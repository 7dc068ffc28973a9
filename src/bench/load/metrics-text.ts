/** Reads metrics in Prometheus' text format. */

/** The value of a metric without labels; undefined if it is not there, or no number. */
export function metricIn(text: string, name: string): number | undefined {
  const value = Number(new RegExp(`^${name} (\\S+)`, "m").exec(text)?.[1] ?? Number.NaN);
  return Number.isNaN(value) ? undefined : value;
}
