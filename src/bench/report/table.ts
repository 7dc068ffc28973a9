/** Figures as a table for people. */
import type { Summary } from "./figures.ts";

/** One line a figure: name, median, and the spread where there were several runs; and one for each that no run has. @param leftOut why figures are not there. */
export function table(figures: ReadonlyMap<string, Summary>, runs: number, leftOut: Readonly<Record<string, string>> = {}): string {
  const rows = [
    ...[...figures].map(([name, { median, min, max }]) => [name, plain(median), runs > 1 ? `${plain(min)} to ${plain(max)}` : ""] as const),
    ...Object.entries(leftOut).filter(([name]) => !figures.has(name)).map(([name, why]) => [name, "-", why] as const),
  ];
  const widths = [0, 1].map((column) => Math.max(0, ...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map(([name, middle, spread]) => `${name.padEnd(widths[0] ?? 0)}  ${middle.padStart(widths[1] ?? 0)}  ${spread}`.trimEnd()).join("\n");
}

/** A number with as many digits as mean something. */
export function plain(value: number): string {
  if (Number.isInteger(value)) return String(value);
  return value.toFixed(Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 1 ? 2 : 3);
}
