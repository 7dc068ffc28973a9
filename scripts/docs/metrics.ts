/** Renders the reference of docs/metrics.md from the metrics that the daemon declares. */
import type { MetricDescription } from "../../src/metrics/description.ts";
import { createMetrics } from "../../src/metrics/registry.ts";
import { code, markdownTable } from "../markdown.ts";

/** Groups of metrics, by the beginnings of their names; the last one takes what is left. */
const groups: readonly (readonly [title: string, names: RegExp])[] = [
  ["Workspaces", /^(?:gitpod_ws_manager|wsman)_/],
  ["gRPC calls", /^grpc_/],
  ["The daemon", /^wsmand_/],
  ["The process", /./],
];

/** All metrics that the daemon declares. Some of the process exist on Linux only. */
export function daemonMetrics(): readonly MetricDescription[] {
  return createMetrics().describe();
}

/** The reference: a table for each group, sorted by name. */
export function renderMetrics(metrics: readonly MetricDescription[] = daemonMetrics()): string {
  const byGroup = Map.groupBy(metrics, ({ name }) => groups.find(([, names]) => names.test(name))?.[0]);
  return groups.flatMap(([title]) => {
    const own = byGroup.get(title)?.toSorted((a, b) => (a.name < b.name ? -1 : 1)) ?? [];
    return own.length === 0 ? [] : [`### ${title}\n\n${markdownTable(["metric", "type", "labels", "meaning"], own.map(row))}`];
  }).join("\n\n");
}

function row({ name, type, labels, buckets, help }: MetricDescription): readonly string[] {
  const bounds = buckets.length > 0 ? ` Buckets: ${buckets.join(", ")}.` : "";
  return [code(name), type, labels.map(code).join(", "), `${help.endsWith(".") ? help : `${help}.`}${bounds}`];
}
