/** Plots of what processes cost. */
import type { Lab } from "../lab.ts";
import { timePlot } from "./plot.ts";
import type { Plot } from "./plot.ts";

/** Memory and CPU of processes between two times of the machine's clock. */
export function usagePlots(lab: Pick<Lab, "usage">, names: readonly string[], from: number, to: number): readonly Plot[] {
  const curves = names.map((name) => [name, lab.usage.curves(name, from, to)] as const);
  return [
    timePlot("Resident memory", "MiB", Object.fromEntries(curves.map(([name, { rss }]) => [name, rss]))),
    timePlot("CPU", "cores", Object.fromEntries(curves.map(([name, { cpu }]) => [name, cpu]))),
  ];
}
