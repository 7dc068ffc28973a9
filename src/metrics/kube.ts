/** Metrics of our dealings with the Kubernetes API server. */
import { Gauge, Histogram } from "prom-client";
import type { Registry } from "prom-client";
import { tallyCounters } from "./tally.ts";

/** Metrics of API requests and watches. Resources, verbs and reasons are words of the code, never of the cluster. */
export interface KubeMetrics {
  /** A request was answered (code: HTTP status) or failed before that (code: a short word such as "timeout"). */
  request(verb: string, resource: string, code: number | string, seconds: number): void;
  /** A request waited so many seconds for the client-side rate budget. */
  throttled(verb: string, resource: string, seconds: number): void;
  /** So many Kubernetes Events of ours were written, dropped at a bound, or not taken by the API server. */
  events(outcome: string, count: number): void;
  /** A watch ended and is begun again. */
  watchRestarted(resource: string, reason: string): void;
  /** The resource is listed again from the start. */
  relisted(resource: string, reason: string): void;
  /** A complete list has taken effect at `atMs` (Unix milliseconds), so many seconds after it was asked for. */
  listed(resource: string, seconds: number, atMs: number): void;
  /** Where the age of a watch's last sign of life (event or bookmark), in seconds, comes from; undefined: none yet. */
  lastEventAge(resource: string, read: () => number | undefined): void;
}

/** Declares the metrics of API requests and watches. */
export function createKubeMetrics(registry: Registry): KubeMetrics {
  const registers = [registry];
  const requests = tallyCounters(registry, "wsmand_api_requests_total", "Requests to the API server, by verb, resource and code.", ["verb", "resource", "code"]);
  const latency = new Histogram({ name: "wsmand_api_request_seconds", help: "Time that the API server took to answer.", labelNames: ["verb", "resource"], buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30], registers });
  const throttled = new Histogram({ name: "wsmand_api_throttle_wait_seconds", help: "Time that requests waited for the client-side rate budget.", labelNames: ["verb", "resource"], buckets: [0.001, 0.01, 0.1, 0.5, 1, 5, 15], registers });
  const events = tallyCounters(registry, "wsmand_kubernetes_events_total", "Kubernetes Events on workspace pods: written, dropped at a bound, or not taken by the API server.", ["outcome"]);
  const restarts = tallyCounters(registry, "wsmand_watch_restarts_total", "Watches that ended and were begun again, by reason.", ["resource", "reason"]);
  const relists = tallyCounters(registry, "wsmand_relists_total", "Lists from the start, by reason.", ["resource", "reason"]);
  const lists = new Histogram({ name: "wsmand_list_seconds", help: "Time from asking for a complete list until it had taken effect.", labelNames: ["resource"], buckets: [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60], registers });
  const listedAt = new Gauge({ name: "wsmand_last_list_timestamp_seconds", help: "When the last complete list had taken effect, Unix time.", labelNames: ["resource"], registers });
  const ages = new Map<string, () => number | undefined>();
  registry.registerMetric(new Gauge({
    name: "wsmand_watch_last_event_age_seconds",
    help: "Time since a watch's last event or bookmark.",
    labelNames: ["resource"],
    registers: [],
    collect() {
      this.reset();
      for (const [resource, read] of ages) {
        const age = read();
        if (age !== undefined) this.set({ resource }, age);
      }
    },
  }));
  return {
    request(verb, resource, code, seconds) {
      requests.of(verb, resource, String(code)).add();
      latency.observe({ verb, resource }, seconds);
    },
    throttled: (verb, resource, seconds) => throttled.observe({ verb, resource }, seconds),
    events: (outcome, count) => events.of(outcome).add(count),
    watchRestarted: (resource, reason) => restarts.of(resource, reason).add(),
    relisted: (resource, reason) => relists.of(resource, reason).add(),
    listed(resource, seconds, atMs) {
      lists.observe({ resource }, seconds);
      listedAt.set({ resource }, atMs / 1000);
    },
    lastEventAge: (resource, read) => void ages.set(resource, read),
  };
}
