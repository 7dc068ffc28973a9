/** Go durations ("1h30m", "250ms"): parsed as time.ParseDuration does, printed as Duration.String does. Values are milliseconds. */

const unitMs: Readonly<Record<string, number>> = { ns: 1e-6, us: 1e-3, "µs": 1e-3, "μs": 1e-3, ms: 1, s: 1e3, m: 60e3, h: 3600e3 };
/** Largest magnitude Go can hold (int64 nanoseconds), in milliseconds. */
const maxMs = 2 ** 63 / 1e6;
/** A sign and the rest: no duration that makes sense has more characters. */
const durationShape = /^([+-]?)(.{1,100})$/s;

/**
 * Parses a Go duration.
 * @returns milliseconds (fractions for sub-millisecond units), or undefined if the text is not one, or has more than 100 characters after its sign.
 */
export function parseGoDuration(text: string): number | undefined {
  const match = durationShape.exec(text);
  if (!match) return undefined;
  const rest = match[2] ?? "";
  if (rest === "0") return 0;
  const part = /(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)/y;
  let total = 0;
  while (part.lastIndex < rest.length) {
    const found = part.exec(rest);
    if (!found) return undefined;
    total += Number(found[1]) * (unitMs[found[2] ?? ""] ?? Number.NaN);
  }
  if (!(total < maxMs)) return undefined;
  return match[1] === "-" ? -total : total;
}

/** Prints milliseconds as Go's Duration.String does: `30m0s`, `1h0m0s`, `1.5s`, `250ms`, `0s`. */
export function formatGoDuration(ms: number): string {
  if (ms === 0) return "0s";
  const sign = ms < 0 ? "-" : "";
  const abs = Math.abs(ms);
  if (abs < 1e-3) return `${sign}${trim(abs * 1e6)}ns`;
  if (abs < 1) return `${sign}${trim(abs * 1e3)}µs`;
  if (abs < 1000) return `${sign}${trim(abs)}ms`;
  const hours = Math.floor(abs / 3600e3);
  const minutes = Math.floor((abs % 3600e3) / 60e3);
  const seconds = trim((abs % 60e3) / 1e3);
  if (hours > 0) return `${sign}${hours}h${minutes}m${seconds}s`;
  return minutes > 0 ? `${sign}${minutes}m${seconds}s` : `${sign}${seconds}s`;
}

function trim(value: number): string {
  return String(Number(value.toFixed(9)));
}
