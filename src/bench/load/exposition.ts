/** Reads numbers from Prometheus' text format. */

/** The sum of all series of a metric whose labels contain a text (`reason="stalled"`): 0 for a counter that has none yet, undefined if there is no such metric. */
export function metricSum(text: string, name: string, label = ""): number | undefined {
  const values = text.split("\n").flatMap((line) => {
    const [, found, labels = "", value] = /^([A-Za-z_:][\w:]*)(\{.*\})? (\S+)/.exec(line) ?? [];
    return found === name && labels.includes(label) ? [Number(value)] : [];
  });
  if (values.length === 0 && !text.includes(`# TYPE ${name} counter\n`)) return undefined;
  return values.reduce((sum, value) => sum + value, 0);
}

/** The value of a metric without labels; undefined if it is not there, or no number. */
export function metricIn(text: string, name: string): number | undefined {
  const value = Number(new RegExp(`^${name} (\\S+)`, "m").exec(text)?.[1] ?? Number.NaN);
  return Number.isNaN(value) ? undefined : value;
}
