/** Metrics of what the main thread's time goes to beside work: how busy its event loop is, and every pause of the garbage collector. */
import { PerformanceObserver, constants, performance } from "node:perf_hooks";
import { Counter, Gauge } from "prom-client";
import type { Registry } from "prom-client";
import { asObject } from "../domain/json.ts";
import { tallyHistograms, type HistogramTally } from "./tally-histogram.ts";

/** Kinds of pauses, as Node names them: of the young generation, of the whole heap, a step of one of those, and callbacks of weak references. */
export type GcKind = "minor" | "major" | "incremental" | "weakcb";

/** The pauses of one kind so far. */
export interface GcPauses {
  readonly kind: GcKind;
  readonly count: number;
  readonly seconds: number;
}

/** What there is to be known of the main thread beside its metrics. */
export interface RuntimeMetrics {
  /** Pauses so far, by kind. */
  pauses(): readonly GcPauses[];
  /** Tells of every pause from now on. */
  onPause(listener: (kind: GcKind, seconds: number) => void): void;
  /** Worker threads that derive statuses. */
  workers(count: number): void;
}

const kinds: ReadonlyMap<unknown, GcKind> = new Map([
  [constants.NODE_PERFORMANCE_GC_MINOR, "minor"],
  [constants.NODE_PERFORMANCE_GC_MAJOR, "major"],
  [constants.NODE_PERFORMANCE_GC_INCREMENTAL, "incremental"],
  [constants.NODE_PERFORMANCE_GC_WEAKCB, "weakcb"],
]);

/**
 * Declares them. `observe`: for the process that this is; false: nothing of this process is told.
 *
 * prom-client's nodejs_gc_duration_seconds counts one pause for each turn of the event loop, however many there were, and has no buckets between 1 and 10 ms.
 */
export function createRuntimeMetrics(registry: Registry, observe: boolean): RuntimeMetrics {
  const listeners: ((kind: GcKind, seconds: number) => void)[] = [];
  let threads = 0;
  registry.registerMetric(new Gauge({
    name: "wsmand_workers",
    help: "Worker threads that derive statuses; rate(wsmand_worker_task_seconds_sum[5m]) / wsmand_workers is how busy they are.",
    registers: [],
    collect() {
      this.set(threads);
    },
  }));
  const tallies = observe ? observePauses(registry, (kind, seconds) => listeners.forEach((listen) => listen(kind, seconds))) : new Map<GcKind, HistogramTally>();
  if (observe) eventLoopCounters(registry);
  return {
    pauses: () => [...tallies].map(([kind, tally]) => ({ kind, ...sumOf(tally) })),
    onPause: (listener) => void listeners.push(listener),
    workers(count) {
      threads = count;
    },
  };
}

function sumOf(tally: HistogramTally): Omit<GcPauses, "kind"> {
  const { cumulative, sum } = tally.read();
  return { count: cumulative.at(-1) ?? 0, seconds: sum };
}

function observePauses(registry: Registry, told: (kind: GcKind, seconds: number) => void): ReadonlyMap<GcKind, HistogramTally> {
  const series = tallyHistograms(registry, { name: "wsmand_gc_pause_seconds", help: "Pauses of the main thread for garbage collection, by kind: minor, major, incremental (a step of a major one), weakcb.", labelNames: ["kind"], buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1] });
  const tallies = new Map([...kinds.values()].map((kind) => [kind, series({ kind })]));
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      const kind = kinds.get("detail" in entry ? asObject(entry.detail)?.["kind"] : undefined);
      if (kind === undefined) continue;
      tallies.get(kind)?.observe(entry.duration / 1000);
      told(kind, entry.duration / 1000);
    }
  });
  observer.observe({ entryTypes: ["gc"] });
  return tallies;
}

/** libuv keeps account of them anyway: they cost nothing but at a scrape. */
function eventLoopCounters(registry: Registry): void {
  for (const [part, help] of [["active", "Time that the main thread's event loop was at work; its rate is the loop's utilization."], ["idle", "Time that the main thread's event loop waited for something to do."]] as const) {
    registry.registerMetric(new Counter({
      name: `wsmand_event_loop_${part}_seconds_total`,
      help,
      registers: [],
      collect() {
        this.reset();
        this.inc(Math.max(0, performance.eventLoopUtilization()[part]) / 1000);
      },
    }));
  }
}
