/** The dashboard of workspaces' lives: starts, contents, ends and backups, and the node daemons that do the work. */
import { below, dashboard, graph, heatmap, own, quantile, rate, stat } from "./panels.ts";

const manager = "gitpod_ws_manager";
const node = 'grpc_service="wsdaemon.WorkspaceContentService"';

/** Median and last twentieth, by class. */
function timesOf(name: string): { readonly expr: string; readonly legend: string }[] {
  return [0.5, 0.95].map((q) => ({ expr: quantile(q, `${manager}_${name}_seconds`, "class, "), legend: `{{class}} p${q * 100}` }));
}

/** Per minute, how it went. */
function outcomesOf(what: string): { readonly expr: string; readonly legend: string }[] {
  return ["success", "failure"].map((end) => ({ expr: `60 * sum by (type) (${rate(`${manager}_workspace_${what}_${end}_total`)})`, legend: `{{type}} ${end}` }));
}

const hour = (metric: string): string => `round(sum(increase(${metric}{${own}}[1h])))`;

const lastHour = {
  title: "The last hour",
  panels: [
    stat("Started", "none", `${hour(`${manager}_workspace_starts_total`)} or vector(0)`, "Pods that were made for StartWorkspace."),
    stat("Failed to start", "none", `${hour("wsmand_workspace_start_failures_total")} or vector(0)`, "Workspaces that failed or timed out before they ran.", below(1, 10)),
    stat("Time to run", "s", `sum(increase(${manager}_workspace_startup_seconds_sum{${own}, type="REGULAR"}[1h])) / sum(increase(${manager}_workspace_startup_seconds_count{${own}, type="REGULAR"}[1h]))`, "Of regular workspaces, in the mean.", below(60, 120)),
    stat("Stopped", "none", `${hour(`${manager}_workspace_stops_total`)} or vector(0)`, "Workspaces that reached STOPPED."),
    stat("Backed up", "none", `${hour(`${manager}_workspace_backups_success_total`)} or vector(0)`, "Backups that succeeded."),
    stat("Backups lost", "none", `${hour(`${manager}_workspace_backups_failure_total`)} or vector(0)`, "Backups that failed.", below(1, 1)),
    stat("Restores lost", "none", `${hour(`${manager}_workspace_restores_failure_total`)} or vector(0)`, "Contents that could not be brought back from a backup.", below(1, 1)),
    stat("End takes", "s", `sum(increase(${manager}_workspace_finalize_seconds_sum{${own}}[1h])) / sum(increase(${manager}_workspace_finalize_seconds_count{${own}}[1h]))`, "Finalization, backup included, in the mean.", below(120, 600)),
  ],
};

const starts = {
  title: "Starts",
  panels: [
    graph("Time to run", "s", timesOf("workspace_startup"), "From creation to the first RUNNING: scheduling, images, content, and the time until the workspace answers."),
    heatmap("Time to run", "s", `${manager}_workspace_startup_seconds`, "The same, all of them."),
    graph("Not running yet", "none", [{ expr: `sum by (older_than) (wsmand_workspaces_starting{${own}})`, legend: "{{older_than}} s and more" }], "Workspaces that were started and do not run, by how long ago that was. Each is counted under every age that it has reached: do not add them up."),
    graph("Failed to start", "none", [{ expr: `60 * sum by (reason, type, class) (${rate("wsmand_workspace_start_failures_total")})`, legend: "{{type}} {{class}}: {{reason}}" }], "Per minute: failed or timed out before they ran."),
    graph("Content in place", "s", timesOf("workspace_initialize"), "InitWorkspace of the node daemon."),
    graph("Contents from backups", "none", outcomesOf("restores"), "Per minute."),
  ],
};

const ends = {
  title: "Ends and backups",
  panels: [
    graph("Stops", "none", [{ expr: `60 * sum by (reason) (${rate(`${manager}_workspace_stops_total`)})`, legend: "{{reason}}" }], "Per minute, by why.", true),
    graph("Backups", "none", outcomesOf("backups"), "Per minute."),
    graph("Backups that fail", "percentunit", [{ expr: `sum by (class) (${rate(`${manager}_workspace_backups_failure_total`)}) / (sum by (class) (${rate(`${manager}_workspace_backups_success_total`)}) + sum by (class) (${rate(`${manager}_workspace_backups_failure_total`)}))`, legend: "{{class}}" }], "Share of all, by class."),
    graph("End takes", "s", timesOf("workspace_finalize"), "Finalization, backup included."),
    graph("In STOPPING", "none", [{ expr: `sum by (older_than) (wsmand_workspaces_stopping{${own}})`, legend: "{{older_than}} s and more" }], "By how long ago the pod was deleted. Each is counted under every age that it has reached: do not add them up."),
    graph("Volume snapshots", "s", [...timesOf("volume_snapshot").map(({ expr, legend }) => ({ expr, legend: `${legend} made` })), ...timesOf("volume_restore").map(({ expr, legend }) => ({ expr, legend: `${legend} restored` }))], "Where workspaces have volume claims: until a snapshot is ready, and until a volume from one is there."),
  ],
};

const nodes = {
  title: "Node daemons",
  panels: [
    graph("Calls", "reqps", [{ expr: `sum by (grpc_method) (${rate("grpc_client_handled_total", node)})`, legend: "{{grpc_method}}" }], "To the daemons of all nodes."),
    graph("Calls that fail", "reqps", [{ expr: `sum by (grpc_method, grpc_code) (${rate("grpc_client_handled_total", `${node}, grpc_code!="OK"`)})`, legend: "{{grpc_method}}: {{grpc_code}}" }], "Unavailable and Canceled are tried again; NotFound and AlreadyExists come of that."),
    graph("Time of calls", "s", [{ expr: quantile(0.95, "grpc_client_handling_seconds", "grpc_method, ", node), legend: "{{grpc_method}} p95" }], "From begin to end."),
    graph("Calls under way", "none", [{ expr: `sum by (grpc_method) (grpc_client_started_total{${own}, ${node}}) - sum by (grpc_method) (grpc_client_handled_total{${own}, ${node}})`, legend: "{{grpc_method}}" }], "That began and have not ended. Bounded for each node, so that one that hangs takes its own share."),
    graph("Kubernetes Events", "ops", [{ expr: `sum by (outcome) (${rate("wsmand_kubernetes_events_total")})`, legend: "{{outcome}}" }], "That the daemon writes about workspaces, and those that were dropped at a bound."),
  ],
};

/** Lives of workspaces. */
export const lifecycle = dashboard({ uid: "wsmand-lifecycle", title: "wsmand / Lifecycle and backups", description: "Starts, contents, ends and backups of workspaces, and the node daemons that do the work.", rows: [lastHour, starts, ends, nodes] });
