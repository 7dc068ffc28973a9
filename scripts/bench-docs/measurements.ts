/** What docs/benchmarks.md tells of: each measurement, what it shows, and what is aimed at. */

/** What the median of a figure should be: at most or at least a value, or no further from 0 than another figure, its noise. */
export type Aim = { readonly figure: string; readonly at: "most" | "least"; readonly value: number } | { readonly figure: string; readonly at: "within"; readonly noise: string };

/** A measurement: a scenario of the load tool with flags. */
export interface Measurement {
  readonly id: string;
  readonly scenario: string;
  readonly flags: readonly string[];
  readonly runs: number;
  /** Half a sentence for people. */
  readonly shows: string;
  /** Figures that are shown, beside those that something is aimed at. */
  readonly figures: readonly string[];
  readonly aims: readonly Aim[];
  /** `real`: on the API server of --kubeconfig, and not without it. */
  readonly cluster: "built-in" | "real";
}

const medianOf = 5;

const atMost = (figure: string, value: number): Aim => ({ figure, at: "most", value });
const atLeast = (figure: string, value: number): Aim => ({ figure, at: "least", value });

const within = (figure: string, noise: string): Aim => ({ figure, at: "within", noise });

/** A measurement on the built-in cluster. @param command scenario and flags. */
function measurement(id: string, command: string, shows: string, aims: readonly Aim[], figures: readonly string[], runs = medianOf): Measurement {
  const [scenario = "", ...flags] = command.split(" ");
  return { id, scenario, flags, runs, shows, figures, aims, cluster: "built-in" };
}

/** All of them, in the order of the page. */
export const measurements: readonly Measurement[] = [
  measurement("stream", "stream --seconds 10", "500 changes/s of 1,000 workspaces of 20 kB to 50 subscribers", [atMost("latency_p99_ms", 15), atMost("api_requests", 0)],
    ["latency_p50_ms", "added_p50_ms", "added_p99_ms", "write_p99_ms", "daemon_cpu_us_per_change", "daemon_rss_mb"]),
  measurement("api-requests", "stream --workspaces 100 --subscribers 10 --rate 500 --seconds 20 --warmup 0", "what 10,000 changes ask of the API server, beyond the running watches", [atMost("api_requests", 0)], ["delivered", "coalesced"]),
  {
    ...measurement("stream-real", "stream --rate 200", "200 changes/s on a real kube-apiserver, 1,000 workspaces, 50 subscribers", [atMost("added_p99_ms", 10), atMost("daemon_cpu_us_per_change", 600)],
      ["added_p50_ms", "latency_p50_ms", "latency_p99_ms", "write_p50_ms", "write_p99_ms", "changes_per_s", "daemon_rss_mb"]),
    cluster: "real",
  },
  measurement("fanout-200", "fanout", "200 subscribers on 200 connections, beside bare grpc-js", [atLeast("ratio_to_bare", 0.85)], ["per_cpu_ratio_to_bare", "ratio_to_http2", "messages_per_s"]),
  measurement("fanout-4", "fanout --connections 4", "200 subscribers on 4 connections, beside bare grpc-js", [atLeast("ratio_to_bare", 0.85)], ["per_cpu_ratio_to_bare", "ratio_to_http2", "messages_per_s"]),
  measurement("burst", "burst --workers 1", "changes as fast as a watch carries them, with one worker, beside what that worker can parse and encode alone", [atLeast("ratio_to_parse_limit", 0.8), atMost("main_us_per_change", 20)], ["changes_per_s", "batch_lines"]),
  measurement("stall", "stall", "one tenth of the subscribers reads nothing, beside the same without them", [atMost("p99_ratio", 1.1), atMost("rss_growth_mb", 20)], ["rss_growth_without_mb", "latency_p99_with_ms", "latency_p99_without_ms"]),
  measurement("list", "list --workspaces 5000", "GetWorkspaces and DescribeWorkspace at 5,000 workspaces, beside bare grpc-js with the same bytes", [atLeast("get_ratio_to_bare", 0.7)], ["get_p99_ms", "describe_ratio_to_bare", "loop_delay_max_ms"]),
  measurement("list-20000", "list --workspaces 20000", "the same at 20,000 workspaces", [atMost("loop_delay_max_ms", 20)], ["get_ratio_to_bare", "get_p99_ms"]),
  measurement("relist", "relist --workspaces 10000", "all of 10,000 workspaces are listed anew while their changes stream", [atMost("loop_delay_max_ms", 50), atMost("longest_gap_ms", 200)], ["ready_s", "latency_p99_ms"]),
  measurement("scale", "scale", "the cost of a change, and memory, from 100 to 20,000 workspaces", [atMost("cpu_growth", 1.2), atMost("rss_mb_per_1000", 6)], []),
  measurement("memory", "stream --workspaces 5000 --rate 200", "the daemon's memory at 5,000 workspaces under 200 changes/s", [atMost("daemon_rss_mb", 250)], ["latency_p50_ms", "latency_p99_ms", "daemon_cpu_us_per_change"]),
  measurement("ready", "ready", "the daemon's start with 5,000 workspaces", [], ["ready_s", "list_s", "loop_delay_max_ms", "rss_mb", "rss_max_mb"]),
  measurement("connect", "connect", "1,500 subscribers come, get the statuses of 1,000 workspaces each, and go", [], ["connect_p50_ms", "connect_p99_ms", "rss_connected_mb", "rss_after_mb"]),
  measurement("scrape", "scrape", "/metrics under load", [], ["scrape_p99_ms", "loop_delay_max_ms"]),
  measurement("start", "start", "50 starts at once beside the API server's own time for their pods, and 1,000 at the same moment", [atMost("start_overhead_p99_ms", 50), atMost("api_requests_per_start", 1), atMost("start_lost", 0), atMost("start_twice", 0), atLeast("storm_succeeded", 1000)],
    ["start_p50_ms", "start_p99_ms", "bare_create_p50_ms", "bare_create_p99_ms", "start_overhead_p50_ms", "starts_per_s", "bare_creates_per_s", "stop_overhead_p99_ms", "paced_start_p99_ms", "paced_start_overhead_p99_ms", "storm_ms", "bare_storm_ms", "storm_stop_ms"]),
  measurement("markactive", "markactive", "MarkActive beside bare grpc-js with the same bytes, and of 10,000 workspaces every 30 s", [atLeast("ratio_to_bare", 0.7), atMost("daemon_cpu_percent", 5)],
    ["bare_cpu_percent", "per_cpu_ratio_to_bare", "calls_per_s", "p99_ms", "api_requests", "steady_calls_per_s", "steady_api_requests", "steady_p99_ms"]),
  measurement("calls", "calls", "every call with one answer, by four callers", [],
    ["calls_per_s", "describe_cluster_p99_ms", "describe_workspace_p99_ms", "get_workspaces_p99_ms", "mark_active_p99_ms", ...["set_timeout", "control_admission", "control_port", "update_ssh_key"].flatMap((call) => [`${call}_p99_ms`, `${call}_overhead_p50_ms`, `${call}_overhead_p99_ms`]), "take_snapshot_p99_ms", "backup_workspace_p99_ms", "delete_volume_snapshot_p99_ms"]),
  measurement("lifecycle", "lifecycle", "whole lives, 10 a second, on kubelets and node daemons, beside 1,000 workspaces that live on", [
    atMost("start_to_running_overhead_p99_ms", 100), atMost("stop_to_stopped_overhead_p99_ms", 100), ...["lost", "stopped_missing", "stopped_again", "left_behind", "backups_missing", "backups_twice"].map((name) => atMost(name, 0)),
  ], ["start_to_running_p50_ms", "start_to_running_p99_ms", "start_to_running_overhead_p50_ms", "stop_to_stopped_p50_ms", "stop_to_stopped_p99_ms", "stop_to_stopped_overhead_p50_ms", "api_requests_per_life", "events_per_life", "daemon_cpu_percent", "daemon_cpu_ms_per_life", "rss_mb"]),
  measurement("lifecycle-10000", "lifecycle --workspaces 10000", "the same beside 10,000 workspaces", [atMost("start_to_running_overhead_p99_ms", 100), atMost("stop_to_stopped_overhead_p99_ms", 100)],
    ["lost", "stopped_missing", "left_behind", "backups_missing", "api_requests_per_life", "daemon_cpu_percent", "rest_cpu_percent", "rest_rss_mb", "rss_mb"], 3),
  measurement("soak", "soak --seconds 1800 --rate 300 --warmup 600", "all of it together for half an hour, after ten minutes in which caches fill", [within("rss_slope_mb_per_h", "rss_slope_noise_mb_per_h"), atMost("lost", 0)], ["rss_slope_noise_mb_per_h", "rss_first_mb", "rss_last_mb", "latency_p99_ms"], 1),
];

/** Stands for the file of --kubeconfig in commands that are shown. */
export const kubeconfigPlaceholder = "FILE";

/** Arguments for the load tool, without where the report goes. @param kubeconfig for measurements on a real cluster. */
export function argumentsOf({ scenario, flags, cluster }: Measurement, runs: number, kubeconfig: string): readonly string[] {
  return [scenario, ...(cluster === "real" ? ["--kubeconfig", kubeconfig] : []), ...flags, ...(runs > 1 ? ["--runs", String(runs)] : [])];
}
