/** Reads numbers from Prometheus' text format. */

/** The sum of all series of a metric whose labels contain a text (`reason="stalled"`): 0 for a counter that has none yet, undefined if there is no such metric. */
export function metricSum(text: string, name: string, label = ""): number | undefined {
  let sum = text.includes(`# TYPE ${name} counter\n`) ? 0 : undefined;
  for (const line of text.split("\n")) {
    const [, found = "", labels = "", value = ""] = /^([A-Za-z_:][\w:]*)(\{.*\})? (\S+)/.exec(line) ?? [];
    if (found === name && labels.includes(label)) sum = (sum ?? 0) + Number(value);
  }
  return sum;
}

/** The value of a metric without labels; undefined if it is not there, or no number. */
export function metricIn(text: string, name: string): number | undefined {
  const value = Number(new RegExp(`^${name} (\\S+)`, "m").exec(text)?.[1] ?? Number.NaN);
  return Number.isNaN(value) ? undefined : value;
}
