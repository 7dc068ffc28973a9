/** Metrics of the way from a watch line to the subscribers: pipeline, workers, status cache, subscriptions. */
import { Gauge } from "prom-client";
import type { Registry } from "prom-client";
import { tallyHistogram } from "./tally-histogram.ts";
import type { Tally } from "./tally.ts";
import { tallyCounter, tallyCounters } from "./tally.ts";

/** Metrics of the pipeline. */
export interface PipelineMetrics {
  /** A change of the watch was handed to the subscriptions, so many seconds after its line had come. */
  eventToPublish(seconds: number): void;
  /** A batch of so many lines came back; its worker was busy with it for so many microseconds. */
  batch(lines: number, busyMicros: number): void;
  /** Lines that came alone, and were derived in the main thread. */
  readonly atOnce: Tally;
  /** A pod from which no status can be derived was passed over. */
  skippedPod(reason: "unparsable" | "invalid" | "poisoned"): void;
  /** A batch failed, because its worker crashed, hung or threw, and is done again. */
  readonly workerRestarts: Tally;
  /** Where the queue depth (lines read, not yet committed) comes from. */
  queueDepth(read: () => number): void;
}

/** Metrics of the status cache. */
export interface CacheMetrics {
  readonly hits: Tally;
  readonly misses: Tally;
  readonly evictions: Tally;
  /** Where its present size comes from. */
  size(read: () => { bytes: number; entries: number }): void;
}

/** Metrics of the subscriptions. */
export interface SubscriptionMetrics {
  /** Statuses that changed and were published. */
  readonly published: Tally;
  /** Pod changes that did not change the status. */
  readonly suppressed: Tally;
  /** Undelivered statuses replaced by newer ones of the same workspace, over all subscribers. */
  readonly coalesced: Tally;
  /** A subscriber was ended by us. */
  ended(reason: "shutdown" | "stalled" | "overflow" | "unavailable"): void;
  /** Where the present subscribers and the number of their pending statuses come from. The same client may come several times. */
  queues(read: () => Iterable<readonly [client: string, pending: number]>): void;
}

/** Subscribers with a series of their own; the others' pending statuses are summed under client="other". */
const maxClients = 2000;

/** Declares the metrics of the pipeline. */
export function createPipelineMetrics(registry: Registry): PipelineMetrics {
  const latency = tallyHistogram(registry, { name: "wsmand_event_to_publish_seconds", help: "Time from a watch line's arrival to the publication of its status, if it changed that.", buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1, 5] });
  const size = tallyHistogram(registry, { name: "wsmand_pipeline_batch_lines", help: "Lines in a worker's batch.", buckets: [1, 2, 4, 8, 16, 32, 64] });
  const busy = tallyHistogram(registry, { name: "wsmand_worker_task_seconds", help: "Time a worker was busy with a batch.", buckets: [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 1] });
  const skipped = tallyCounters(registry, "wsmand_skipped_pods_total", "Pods from which no status can be derived, by reason.", ["reason"]);
  for (const reason of ["unparsable", "invalid", "poisoned"]) skipped.of(reason);
  const depth = readGauge(registry, "wsmand_pipeline_queue_depth", "Lines read from the API server and not yet committed.");
  return {
    eventToPublish: (seconds) => latency.observe(seconds),
    batch(lines, busyMicros) {
      size.observe(lines);
      busy.observe(busyMicros / 1e6);
    },
    atOnce: tallyCounter(registry, "wsmand_pipeline_lines_at_once_total", "Lines that came alone, and were derived in the main thread without waking a worker."),
    skippedPod: (reason) => skipped.of(reason).add(),
    workerRestarts: tallyCounter(registry, "wsmand_worker_restarts_total", "Batches that are done again because their worker crashed (and was replaced), hung (likewise) or failed."),
    queueDepth: depth,
  };
}

/** Declares the metrics of the status cache. */
export function createCacheMetrics(registry: Registry): CacheMetrics {
  const bytes = readGauge(registry, "wsmand_status_cache_bytes", "Size of the cached statuses.");
  const entries = readGauge(registry, "wsmand_status_cache_entries", "Cached statuses.");
  return {
    hits: tallyCounter(registry, "wsmand_status_cache_hits_total", "Reads of a status that was cached."),
    misses: tallyCounter(registry, "wsmand_status_cache_misses_total", "Reads of a status that had to be rebuilt."),
    evictions: tallyCounter(registry, "wsmand_status_cache_evictions_total", "Statuses that left the cache for want of room."),
    size(read) {
      bytes(() => read().bytes);
      entries(() => read().entries);
    },
  };
}

/** Declares the metrics of the subscriptions. */
export function createSubscriptionMetrics(registry: Registry): SubscriptionMetrics {
  let read: () => Iterable<readonly [string, number]> = () => [];
  const ended = tallyCounters(registry, "wsmand_subscribers_ended_total", "Subscribers that were ended by the server, by reason.", ["reason"]);
  for (const reason of ["shutdown", "stalled", "overflow", "unavailable"]) ended.of(reason);
  registry.registerMetric(new Gauge({
    name: "gitpod_ws_manager_subscriber_queue_level",
    help: "Pending statuses per subscriber.",
    labelNames: ["client"],
    registers: [],
    collect() {
      this.reset();
      for (const [client, pending] of summed(read())) this.set({ client }, pending);
    },
  }));
  readGauge(registry, "wsmand_subscribers", "Subscribers now.")(() => Array.from(read()).length);
  return {
    published: tallyCounter(registry, "wsmand_updates_published_total", "Status changes that were published."),
    suppressed: tallyCounter(registry, "wsmand_updates_suppressed_total", "Pod changes that left the status as it was."),
    coalesced: tallyCounter(registry, "wsmand_updates_coalesced_total", "Undelivered statuses that were replaced by newer ones."),
    ended: (reason) => ended.of(reason).add(),
    queues(given) {
      read = given;
    },
  };
}

function summed(queues: Iterable<readonly [string, number]>): Map<string, number> {
  const sums = new Map<string, number>();
  for (const [client, pending] of queues) {
    const label = sums.has(client) || sums.size < maxClients ? client : "other";
    sums.set(label, (sums.get(label) ?? 0) + pending);
  }
  return sums;
}

/** Declares a gauge that is read when somebody scrapes; gives the way to say from where. */
function readGauge(registry: Registry, name: string, help: string): (read: () => number) => void {
  let current: () => number = () => 0;
  registry.registerMetric(new Gauge({
    name,
    help,
    registers: [],
    collect() {
      this.set(current());
    },
  }));
  return (read) => {
    current = read;
  };
}
