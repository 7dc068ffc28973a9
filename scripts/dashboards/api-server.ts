/** The dashboard of the traffic with the API server: requests, waits for the budget, watches and lists. */
import { below, dashboard, graph, heatmap, own, quantile, rate, stat } from "./panels.ts";

const failing = 'code=~"5..|429|401|403|error"';

const now = {
  title: "Now",
  panels: [
    stat("Requests per s", "none", `sum(${rate("wsmand_api_requests_total")})`, "By all replicas, watches and lists included."),
    stat("Fail", "percentunit", `sum(${rate("wsmand_api_requests_total", failing)}) / sum(${rate("wsmand_api_requests_total")}) or vector(0)`, "Share that failed, was refused, or got no answer.", below(0.01, 0.05)),
    stat("Answers within", "s", quantile(0.99, "wsmand_api_request_seconds", "", 'verb!="watch"'), "99 % of the requests, watches aside.", below(0.5, 2)),
    stat("Wait for budget", "s", quantile(0.99, "wsmand_api_throttle_wait_seconds"), "99 % of the requests wait no longer for the client's own budget (kubernetes.qps and burst).", below(1, 5)),
    stat("Silence of watches", "s", `max(wsmand_watch_last_event_age_seconds{${own}, resource="pods"})`, "Since something last came, of the replica that waits for longest.", below(120, 240)),
    stat("Last list", "s", `time() - min(wsmand_last_list_timestamp_seconds{${own}, resource="pods"})`, "Since all pods were last listed, by the replica for which it is longest ago. Days are usual: a list is read again only when a watch can not go on."),
    stat("Lists, 1 h", "none", `round(sum(increase(wsmand_relists_total{${own}, reason!="quiet"}[1h]))) or vector(0)`, "Lists that had to be begun anew.", below(1, 10)),
    stat("Per started workspace", "none", `sum(increase(wsmand_api_requests_total{${own}, verb!~"watch|list", resource!="leases"}[1h])) / sum(increase(gitpod_ws_manager_workspace_starts_total{${own}}[1h]))`, "Requests of the last hour, without watches, lists and the Lease, for each workspace that was started. A whole life takes eight."),
  ],
};

const requests = {
  title: "Requests",
  panels: [
    graph("By verb and resource", "reqps", [{ expr: `sum by (verb, resource) (${rate("wsmand_api_requests_total")})`, legend: "{{verb}} {{resource}}" }], "By all replicas.", true),
    graph("By code", "reqps", [{ expr: `sum by (code) (${rate("wsmand_api_requests_total")})`, legend: "{{code}}" }], "HTTP status; error: no answer; cancelled: by ourselves. 404 and 409 belong to ordinary work.", true),
    graph("Fail", "reqps", [{ expr: `sum by (verb, resource, code) (${rate("wsmand_api_requests_total", failing)})`, legend: "{{verb}} {{resource}}: {{code}}" }], "403: a right is missing. 429: the API server wants less."),
    graph("Time to answer", "s", [{ expr: quantile(0.99, "wsmand_api_request_seconds", "verb, resource, ", 'verb!="watch"'), legend: "{{verb}} {{resource}} p99" }], "Until the head of the answer is there."),
    heatmap("Time to answer", "s", "wsmand_api_request_seconds", "The same, all of them.", 'verb!="watch"'),
    graph("Wait for the budget", "s", [{ expr: quantile(0.95, "wsmand_api_throttle_wait_seconds", "verb, resource, "), legend: "{{verb}} {{resource}} p95" }], "Before a request is sent. Users' calls go first."),
  ],
};

const watches = {
  title: "Watches and lists",
  panels: [
    graph("Silence", "s", [{ expr: `max by (instance, resource) (wsmand_watch_last_event_age_seconds{${own}})`, legend: "{{instance}} {{resource}}" }], "Since something last came. Pods bring a bookmark about every minute; Events may be silent for as long as nothing happens."),
    graph("Watches that end", "none", [{ expr: `60 * sum by (resource, reason) (${rate("wsmand_watch_restarts_total")})`, legend: "{{resource}}: {{reason}}" }], "Per minute. closed: by the API server, every five minutes, as it was asked to. silence, broken, refused, expired: trouble, now and then usual."),
    graph("Lists begun anew", "none", [{ expr: `60 * sum by (resource, reason) (${rate("wsmand_relists_total")})`, legend: "{{resource}}: {{reason}}" }], "Per minute. quiet: for want of any sign of life, usual for Events. expired, invalid, went-back, unreadable: the watch could not go on."),
    graph("Time of a list", "s", [{ expr: `sum by (resource) (wsmand_list_seconds_sum{${own}}) / sum by (resource) (wsmand_list_seconds_count{${own}})`, legend: "{{resource}}" }], "From asking for it until all of it took effect, in the mean since the start. Changes are told meanwhile."),
    graph("Since the last list", "s", [{ expr: `time() - min by (instance, resource) (wsmand_last_list_timestamp_seconds{${own}})`, legend: "{{instance}} {{resource}}" }], "By replica."),
    graph("Watches that begin", "reqps", [{ expr: `sum by (resource, code) (${rate("wsmand_api_requests_total", 'verb="watch"')})`, legend: "{{resource}}: {{code}}" }], "By how the API server answers them."),
  ],
};

/** Traffic with the API server. */
export const apiServer = dashboard({ uid: "wsmand-api-server", title: "wsmand / API server traffic", description: "Requests to the API server, waits for the client's own budget, watches and lists.", rows: [now, requests, watches] });
