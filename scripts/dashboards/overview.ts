/** The dashboard to look at first: whether all is well, how many workspaces there are, and how the daemon itself is. */
import { atLeast, below, dashboard, graph, own, quantile, rate, stat } from "./panels.ts";

const manager = "gitpod_ws_manager";
/** Of the chosen jobs those that are no shadows: these lead nothing, and are no replicas. */
const replicas = `wsmand_leader{${own}} unless on (namespace, job, instance) (wsmand_shadow{${own}} == 1)`;

const well = {
  title: "Is all well?",
  panels: [
    stat("Alerts", "none", 'sum(ALERTS{alertstate="firing", alertname=~"Wsmand.+", namespace=~"$namespace"}) or vector(0)', "Alerts that fire. docs/alerts.md tells what to do about each.", below(1, 1)),
    stat("Leaders", "none", `sum(${replicas})`, "One in each job, or every replica where none takes part in an election. Without one nothing is done about workspaces.", atLeast(1)),
    stat("Replicas", "none", `count(${replicas})`, "Replicas that are scraped; shadows do not count.", atLeast(1)),
    stat("Silence of watches", "s", `max(wsmand_watch_last_event_age_seconds{${own}, resource="pods"})`, "Since something last came from the API server, of the replica that waits for longest. A minute is usual.", below(120, 240)),
    stat("Start for 15 min", "none", `sum(wsmand_workspaces_starting{${own}, older_than="900"}) or vector(0)`, "Workspaces that were started so long ago, and do not run.", below(1, 3)),
    stat("Stop for 30 min", "none", `sum(wsmand_workspaces_stopping{${own}, older_than="1800"}) or vector(0)`, "Workspaces that have been in STOPPING for so long. Their backup may fail.", below(1, 1)),
    stat("Backups lost, 1 h", "none", `round(sum(increase(${manager}_workspace_backups_failure_total{${own}}[1h]))) or vector(0)`, "Backups that failed in the last hour: each is somebody's work.", below(1, 1)),
    stat("Late in the loop", "s", `max(nodejs_eventloop_lag_p99_seconds{${own}})`, "The last percent of waits for the event loop, of the worst replica.", below(0.1, 0.2)),
  ],
};

const workspaces = {
  title: "Workspaces",
  panels: [
    graph("By phase", "none", [{ expr: `sum by (phase) (${manager}_workspace_phase_total{${own}})`, legend: "{{phase}}" }], "As the leader counts them.", true),
    graph("By class", "none", [{ expr: `sum by (class) (${manager}_workspace_phase_total{${own}})`, legend: "{{class}}" }], "All phases.", true),
    graph("By type", "none", [{ expr: `sum by (type) (${manager}_workspace_phase_total{${own}})`, legend: "{{type}}" }], "All phases.", true),
    graph("Starts per minute", "none", [{ expr: `60 * sum by (type, class) (${rate(`${manager}_workspace_starts_total`)})`, legend: "{{type}} {{class}}" }], "Pods that were made for StartWorkspace.", true),
    graph("Stops per minute", "none", [{ expr: `60 * sum by (reason) (${rate(`${manager}_workspace_stops_total`)})`, legend: "{{reason}}" }], "Workspaces that reached STOPPED, by why.", true),
    graph("Time to run", "s", [0.5, 0.95].map((q) => ({ expr: quantile(q, `${manager}_workspace_startup_seconds`, "type, "), legend: `{{type}} p${q * 100}` })), "From a workspace's creation to its first RUNNING."),
    graph("Activity", "none", [{ expr: `sum by (active) (${manager}_workspace_activity_total{${own}})`, legend: "active: {{active}}" }], "Regular workspaces that somebody has used, and those that nobody has.", true),
    graph("Timeouts of their own", "none", [{ expr: `sum by (timeout) (wsman_workspace_timeout_settings_total{${own}})`, legend: "{{timeout}}" }], "Workspaces whose timeout was set.", true),
    graph("Exposed ports", "none", [{ expr: `sum by (job) (${manager}_exposed_ports{${own}})`, legend: "{{job}}" }], "Ports of workspaces that are exposed."),
  ],
};

const objectives = {
  title: "Objectives",
  panels: [
    graph("Went wrong, of six hours", "percentunit", [{ expr: `max by (slo) (wsmand:slo_errors:ratio_rate6h{${own}})`, legend: "{{slo}}" }], "Share of all; the objectives stand in the rules. Needs the recording rules."),
    graph("Went wrong, of five minutes", "percentunit", [{ expr: `max by (slo) (wsmand:slo_errors:ratio_rate5m{${own}})`, legend: "{{slo}}" }], "The same, now."),
    graph("Use of the budget, of three days", "none", [{ expr: `max by (slo) (wsmand:slo_errors:ratio_rate3d{${own}} / on (slo) group_left () wsmand:slo_budget:ratio)`, legend: "{{slo}}" }], "1: as much as the objective allows. More: it is missed."),
  ],
};

const daemon = {
  title: "The daemon",
  panels: [
    graph("CPU", "none", [{ expr: `sum by (instance) (${rate("process_cpu_seconds_total")})`, legend: "{{instance}}" }], "Cores in use, worker threads included."),
    graph("Memory", "bytes", [{ expr: `sum by (instance) (process_resident_memory_bytes{${own}})`, legend: "{{instance}} resident" }, { expr: `sum by (instance) (nodejs_heap_size_used_bytes{${own}})`, legend: "{{instance}} heap of the main thread" }], "Of the whole process, and of JavaScript's main thread."),
    graph("Event loop", "s", [{ expr: `max by (instance) (nodejs_eventloop_lag_p99_seconds{${own}})`, legend: "{{instance}} p99" }, { expr: `max by (instance) (nodejs_eventloop_lag_p50_seconds{${own}})`, legend: "{{instance}} p50" }], "How late timers are; 10 ms is the resolution, and none at all."),
    graph("Garbage collection", "percentunit", [{ expr: `sum by (instance, kind) (${rate("nodejs_gc_duration_seconds_sum")})`, legend: "{{instance}} {{kind}}" }], "Share of the main thread's time."),
    graph("Open files", "none", [{ expr: `sum by (instance) (process_open_fds{${own}})`, legend: "{{instance}}" }], "Connections are most of them."),
    graph("Who leads", "none", [{ expr: `max by (instance) (wsmand_leader{${own}})`, legend: "{{instance}}" }], "1: it acts on workspaces."),
  ],
};

/** The overview. */
export const overview = dashboard({ uid: "wsmand-overview", title: "wsmand / Overview", description: "Whether all is well, how many workspaces there are, and how the daemon itself is.", rows: [well, workspaces, objectives, daemon] });
