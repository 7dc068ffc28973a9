/** What metrics there are, without their values: for the reference in docs/metrics.md, which is made from it. */
import type { Registry } from "prom-client";
import { asObject, textAt } from "../domain/json.ts";

/** What a metric is. */
export interface MetricDescription {
  readonly name: string;
  readonly help: string;
  /** `counter`, `gauge`, `histogram` or `summary`. */
  readonly type: string;
  /** Names of its labels, without those that a histogram has for its buckets. */
  readonly labels: readonly string[];
  /** Upper bounds of a histogram's buckets but the last one, which has none; empty for all else. */
  readonly buckets: readonly number[];
}

/** All metrics of a registry, in the order in which they were declared. */
export function describeMetrics(registry: Registry): readonly MetricDescription[] {
  return registry.getMetricsAsArray().map((metric) => {
    // The library's types know names and help texts alone, and give kinds as numbers.
    const members = asObject(metric);
    return { name: metric.name, help: metric.help, type: textAt(members, "type"), labels: listOf(members?.["labelNames"], isText), buckets: listOf(members?.["upperBounds"], isNumber) };
  });
}

function listOf<T>(value: unknown, is: (item: unknown) => item is T): readonly T[] {
  return Array.isArray(value) ? value.filter(is) : [];
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}

function isNumber(value: unknown): value is number {
  return typeof value === "number";
}
