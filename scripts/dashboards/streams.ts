/** The dashboard of what clients see: streams of statuses, calls, and the way of a change to them. */
import { below, dashboard, graph, heatmap, own, quantile, quantiles, rate, stat } from "./panels.ts";

const service = 'grpc_service="wsman.WorkspaceManager"';
const unary = `${service}, grpc_type="unary"`;
const stream = `${service}, grpc_method="Subscribe"`;

const now = {
  title: "Now",
  panels: [
    stat("Subscribers", "none", `sum(wsmand_subscribers{${own}})`, "Streams that are open."),
    stat("Longest queue", "none", `max(gitpod_ws_manager_subscriber_queue_level{${own}})`, "Statuses that wait for the slowest subscriber: at most one for each workspace, beside failures and ends.", below(100, 1000)),
    stat("All queues", "none", `sum(gitpod_ws_manager_subscriber_queue_level{${own}})`, "Statuses that wait for all subscribers; bounded by subscriptions.maxBacklog."),
    stat("Ended, 1 h", "none", `round(sum(increase(wsmand_subscribers_ended_total{${own}, reason=~"stalled|overflow"}[1h])))`, "Subscribers that were ended because they did not read.", below(1, 5)),
    stat("Changes per s", "none", `sum(${rate("wsmand_updates_published_total")})`, "Statuses that changed, by all replicas."),
    stat("Messages per s", "none", `sum(${rate("grpc_server_msg_sent_total", stream)})`, "Statuses that were written to subscribers."),
    stat("Change to stream", "s", quantile(0.99, "wsmand_event_to_publish_seconds"), "From the API server's line to the subscribers' queues, the last percent.", below(0.1, 0.25)),
    stat("Failed calls", "percentunit", `sum(${rate("grpc_server_handled_total", `${unary}, grpc_code=~"Unknown|DeadlineExceeded|Internal|Unavailable|DataLoss"`)}) / sum(${rate("grpc_server_handled_total", unary)}) or vector(0)`, "Share of the calls that failed through no fault of their callers.", below(0.001, 0.01)),
  ],
};

const streams = {
  title: "Streams",
  panels: [
    graph("Subscribers", "none", [{ expr: `sum by (instance) (wsmand_subscribers{${own}})`, legend: "{{instance}}" }], "Streams that are open, by replica.", true),
    graph("Longest queues", "none", [{ expr: `topk(10, gitpod_ws_manager_subscriber_queue_level{${own}})`, legend: "{{instance}} {{client}}" }], "Statuses that wait, of the ten slowest subscribers. A series goes with its subscriber."),
    graph("Ended by the server", "none", [{ expr: `60 * sum by (reason) (${rate("wsmand_subscribers_ended_total")})`, legend: "{{reason}}" }], "Per minute. stalled: read nothing for stallTimeout; overflow: the longest when all queues were full; unavailable: its initial state could not be read; shutdown: with the daemon."),
    graph("Changes", "ops", [
      { expr: `sum(${rate("wsmand_updates_published_total")})`, legend: "published" },
      { expr: `sum(${rate("wsmand_updates_suppressed_total")})`, legend: "pod changed, status did not" },
      { expr: `sum(${rate("wsmand_updates_coalesced_total")})`, legend: "replaced before delivery" },
    ], "By all replicas: each one publishes each change. What is replaced before it is delivered was too slow a subscriber's."),
    graph("Messages", "ops", [{ expr: `sum by (instance) (${rate("grpc_server_msg_sent_total", stream)})`, legend: "{{instance}}" }], "Statuses written to subscribers."),
    graph("Streams that begin and end", "ops", [
      { expr: `sum by (instance) (${rate("grpc_server_started_total", stream)})`, legend: "{{instance}} begin" },
      { expr: `sum by (instance, grpc_code) (${rate("grpc_server_handled_total", stream)})`, legend: "{{instance}} end: {{grpc_code}}" },
    ], "Many of both: clients that lose their connection and come again."),
  ],
};

const way = {
  title: "From the API server to the streams",
  panels: [
    graph("Change to stream", "s", quantiles("wsmand_event_to_publish_seconds"), "From the arrival of a watch's line to the publication of its status."),
    heatmap("Change to stream", "s", "wsmand_event_to_publish_seconds", "The same, all of them."),
    graph("Lines that wait", "none", [{ expr: `max by (instance) (wsmand_pipeline_queue_depth{${own}})`, legend: "{{instance}}" }], "Read from the API server, and not yet applied. High while lists are read."),
    graph("A worker's batch", "s", quantiles("wsmand_worker_task_seconds"), "Time that a worker is busy with a batch of lines."),
    graph("Lines", "cps", [
      { expr: `sum by (instance) (${rate("wsmand_pipeline_batch_lines_sum")})`, legend: "{{instance}} workers" },
      { expr: `sum by (instance) (${rate("wsmand_pipeline_lines_at_once_total")})`, legend: "{{instance}} main thread" },
    ], "By who derives their statuses. Changes that come alone are the main thread's, others go to the workers."),
    graph("Lines in a batch", "none", [{ expr: `sum by (instance) (${rate("wsmand_pipeline_batch_lines_sum")}) / sum by (instance) (${rate("wsmand_pipeline_batch_lines_count")})`, legend: "{{instance}}" }], "Of those that workers get, in the mean. One: nothing waits. 64: as many as fit."),
    graph("Trouble", "none", [
      { expr: `60 * sum by (instance) (${rate("wsmand_worker_restarts_total")})`, legend: "{{instance}} batches done again" },
      { expr: `60 * sum by (instance, reason) (${rate("wsmand_skipped_pods_total")})`, legend: "{{instance}} pods passed over: {{reason}}" },
    ], "Per minute; nothing, usually."),
  ],
};

const calls = {
  title: "Calls",
  panels: [
    graph("By method", "reqps", [{ expr: `sum by (grpc_method) (${rate("grpc_server_handled_total", unary)})`, legend: "{{grpc_method}}" }], "Calls that ended."),
    graph("By code", "reqps", [{ expr: `sum by (grpc_code) (${rate("grpc_server_handled_total", `${unary}, grpc_code!="OK"`)})`, legend: "{{grpc_code}}" }], "Calls that did not succeed, by code. NotFound and AlreadyExists belong to ordinary work."),
    graph("Time of calls", "s", [{ expr: quantile(0.99, "grpc_server_handling_seconds", "grpc_method, ", unary), legend: "{{grpc_method}} p99" }], "From begin to end, by method."),
    graph("Rate limits", "reqps", [{ expr: `sum by (grpc_method, rate_limited) (${rate("grpc_server_rate_limiter_calls_total")})`, legend: "{{grpc_method}} limited: {{rate_limited}}" }], "Calls of methods that have a limit; empty if none has."),
    graph("Cache of statuses: reads", "ops", [{ expr: `sum by (instance) (${rate("wsmand_status_cache_hits_total")})`, legend: "{{instance}} hits" }, { expr: `sum by (instance) (${rate("wsmand_status_cache_misses_total")})`, legend: "{{instance}} misses" }, { expr: `sum by (instance) (${rate("wsmand_status_cache_evictions_total")})`, legend: "{{instance}} evictions" }], "A miss costs a request to the API server. Evictions for want of room: make the cache larger."),
    graph("Cache of statuses: size", "bytes", [{ expr: `sum by (instance) (wsmand_status_cache_bytes{${own}})`, legend: "{{instance}}" }, { expr: `sum by (instance) (wsmand_status_cache_bytes{${own}}) / sum by (instance) (wsmand_status_cache_entries{${own}})`, legend: "{{instance}}, of one" }], "Bytes of all, and of a status in the mean."),
  ],
};

/** Streams and calls. */
export const streamsAndCalls = dashboard({ uid: "wsmand-streams", title: "wsmand / Streams and calls", description: "Subscribers, the way of a change to them, and calls.", rows: [now, streams, way, calls] });
