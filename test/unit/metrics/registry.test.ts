/** The metrics as Prometheus sees them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { wsman } from "../../../src/gen/proto.js";
import { createMetrics } from "../../../src/metrics/registry.ts";
import type { Metrics } from "../../../src/metrics/registry.ts";
import { Tally, TallyFamily } from "../../../src/metrics/tally.ts";
import type { WorkspaceCounts } from "../../../src/metrics/workspaces.ts";

const { RUNNING, STOPPING } = wsman.WorkspacePhase;
const { REGULAR, PREBUILD } = wsman.WorkspaceType;

/** The series of one metric, as they are printed. */
async function series(metrics: Metrics, name: string): Promise<string[]> {
  const lines = (await metrics.render()).split("\n");
  return lines.filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`)).map((line) => line.slice(name.length).trim());
}

function plain(): Metrics {
  return createMetrics({ process: false });
}

const noWorkspaces: WorkspaceCounts = { phases: [], exposedPorts: 0, active: 0, inactive: 0, timeouts: [], starting: [], stopping: [] };

test("every metric of this stage is declared, once, with a help text and its kind", async () => {
  const text = await createMetrics().render();
  const kinds = new Map([...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name = "", kind = ""]) => [name, kind]));
  const expected: Record<string, string> = {
    gitpod_ws_manager_workspace_startup_seconds: "histogram",
    gitpod_ws_manager_workspace_stops_total: "counter",
    wsmand_workspace_start_failures_total: "counter",
    wsmand_workspaces_starting: "gauge",
    wsmand_workspaces_stopping: "gauge",
    gitpod_ws_manager_exposed_ports: "gauge",
    gitpod_ws_manager_workspace_phase_total: "gauge",
    gitpod_ws_manager_workspace_activity_total: "gauge",
    wsman_workspace_timeout_settings_total: "gauge",
    gitpod_ws_manager_subscriber_queue_level: "gauge",
    gitpod_ws_manager_wall_time_monotonicity_violation_total: "counter",
    grpc_server_started_total: "counter",
    grpc_server_handled_total: "counter",
    grpc_server_msg_received_total: "counter",
    grpc_server_msg_sent_total: "counter",
    grpc_server_handling_seconds: "histogram",
    wsmand_event_to_publish_seconds: "histogram",
    wsmand_pipeline_batch_lines: "histogram",
    wsmand_pipeline_queue_depth: "gauge",
    wsmand_worker_task_seconds: "histogram",
    wsmand_status_cache_hits_total: "counter",
    wsmand_status_cache_misses_total: "counter",
    wsmand_status_cache_evictions_total: "counter",
    wsmand_status_cache_bytes: "gauge",
    wsmand_updates_published_total: "counter",
    wsmand_updates_suppressed_total: "counter",
    wsmand_updates_coalesced_total: "counter",
    wsmand_watch_restarts_total: "counter",
    wsmand_relists_total: "counter",
    wsmand_list_seconds: "histogram",
    wsmand_last_list_timestamp_seconds: "gauge",
    wsmand_watch_last_event_age_seconds: "gauge",
    wsmand_api_requests_total: "counter",
    wsmand_api_throttle_wait_seconds: "histogram",
    wsmand_kubernetes_events_total: "counter",
    wsmand_skipped_pods_total: "counter",
    wsmand_leader: "gauge",
    process_resident_memory_bytes: "gauge",
    nodejs_eventloop_lag_p99_seconds: "gauge",
  };
  for (const [name, kind] of Object.entries(expected)) assert.equal(kinds.get(name), kind, name);
  assert.equal(text.match(/^# TYPE /gm)?.length, kinds.size);
});

test("every metric is described, with the labels that its series have and no others", async () => {
  const metrics = createMetrics();
  const call = { type: REGULAR, workspaceClass: "default" };
  metrics.workspaces.source(() => ({ ...noWorkspaces, phases: [{ phase: RUNNING, count: 1, ...call }], timeouts: [["1h", 1]] }));
  metrics.workspaces.created("REGULAR", "default");
  metrics.workspaces.started(REGULAR, "default", 1);
  metrics.workspaces.stopped("timeout", REGULAR, "default", true);
  metrics.lifecycle.initialized(call, 1);
  metrics.lifecycle.finalized(call, 1);
  metrics.lifecycle.volumeSnapshot(call, 1);
  metrics.lifecycle.volumeRestored(call, 1);
  for (const succeeded of [true, false]) {
    metrics.lifecycle.backup(call, succeeded);
    metrics.lifecycle.restore(call, succeeded);
  }
  metrics.subscriptions.queues(() => [["one", 1]]);
  for (const side of [metrics.rpc, metrics.rpcClient]) side.method("unary", "s", "M").handled(0, 1);
  metrics.rpc.rateLimited("/s/M", true);
  metrics.kube.request("get", "pods", 200, 0.1);
  metrics.kube.throttled("get", "pods", 0.1);
  metrics.kube.events("written", 1);
  metrics.kube.watchRestarted("pods", "closed");
  metrics.kube.relisted("pods", "expired");
  metrics.kube.listed("pods", 1, 1);
  metrics.kube.lastEventAge("pods", () => 1);
  metrics.shadow.begin();
  metrics.shadow.decided("finalize");
  metrics.shadow.compared();
  metrics.shadow.differs("phase", false);
  metrics.shadow.levels("127.0.0.1:8080", () => ({ connected: true, open: 0, waiting: 0 }));
  const described = metrics.describe();
  const text = await metrics.render();
  assert.deepEqual([...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => `${name} ${type}`), described.map(({ name, type }) => `${name} ${type}`));
  assert.deepEqual([...text.matchAll(/^# HELP (\S+) (.*)$/gm)].map(([, name, help]) => `${name} ${help}`), described.map(({ name, help }) => `${name} ${help}`));
  for (const { name, type, labels, buckets } of described) {
    const samples = text.split("\n").flatMap((line) => {
      const [, found = "", given = ""] = /^(\w+)(?:\{(.*)\})? /.exec(line) ?? [];
      const isOurs = type === "histogram" ? [`${name}_bucket`, `${name}_sum`, `${name}_count`].includes(found) : found === name;
      return isOurs ? [new Set([...given.matchAll(/(\w+)="/g)].map(([, label]) => label).filter((label) => label !== "le"))] : [];
    });
    // Node's garbage collector may not have run yet.
    if (!name.startsWith("nodejs_")) assert.ok(samples.length > 0, name);
    for (const found of samples) assert.deepEqual(found, new Set(labels), name);
    assert.equal(buckets.length > 0, type === "histogram", name);
  }
});

test("several sets of metrics do not get into each other's way", async () => {
  const [a, b] = [plain(), plain()];
  a.subscriptions.published.add(2);
  assert.deepEqual(await series(a, "wsmand_updates_published_total"), ["2"]);
  assert.deepEqual(await series(b, "wsmand_updates_published_total"), ["0"]);
});

test("workspaces are counted by phase, type and class when somebody scrapes", async () => {
  const metrics = plain();
  let counts: WorkspaceCounts = {
    ...noWorkspaces,
    phases: [
      { phase: RUNNING, type: REGULAR, workspaceClass: "default", count: 3 },
      { phase: RUNNING, type: REGULAR, workspaceClass: "default", count: 1 },
      { phase: STOPPING, type: PREBUILD, workspaceClass: "large", count: 2 },
      { phase: 99, type: -1, workspaceClass: "x", count: 1 },
    ],
    exposedPorts: 5,
    active: 3,
    inactive: 1,
    timeouts: [["180m", 2]],
  };
  metrics.workspaces.source(() => counts);
  assert.deepEqual(await series(metrics, "gitpod_ws_manager_workspace_phase_total"), [
    '{phase="RUNNING",type="REGULAR",class="default"} 4',
    '{phase="STOPPING",type="PREBUILD",class="large"} 2',
    '{phase="UNKNOWN",type="UNKNOWN",class="x"} 1',
  ]);
  assert.deepEqual(await series(metrics, "gitpod_ws_manager_exposed_ports"), ["5"]);
  assert.deepEqual(await series(metrics, "gitpod_ws_manager_workspace_activity_total"), ['{active="true"} 3', '{active="false"} 1']);
  assert.deepEqual(await series(metrics, "wsman_workspace_timeout_settings_total"), ['{timeout="180m"} 2']);
  counts = noWorkspaces;
  assert.deepEqual(await series(metrics, "gitpod_ws_manager_workspace_phase_total"), []);
  assert.deepEqual(await series(metrics, "wsman_workspace_timeout_settings_total"), []);
});

test("starts and stops are counted, with the buckets that dashboards know", async () => {
  const metrics = plain();
  metrics.workspaces.started(REGULAR, "default", 3);
  metrics.workspaces.stopped("tab-closed", REGULAR, "default", false);
  metrics.workspaces.clockRanBackwards();
  const buckets = await series(metrics, "gitpod_ws_manager_workspace_startup_seconds_bucket");
  assert.deepEqual(buckets.map((line) => /le="([^"]*)"/.exec(line)?.[1]), ["2", "4", "8", "16", "32", "64", "128", "256", "512", "1024", "+Inf"]);
  assert.deepEqual(await series(metrics, "gitpod_ws_manager_workspace_stops_total"), ['{reason="tab-closed",type="REGULAR",class="default"} 1']);
  assert.deepEqual(await series(metrics, "gitpod_ws_manager_wall_time_monotonicity_violation_total"), ["1"]);
});

test("what ends without having run, failed or timed out, is a failure of its start; what its user ended is none, and what ran is none", async () => {
  const metrics = plain();
  metrics.workspaces.started(REGULAR, "default", 3);
  const name = "wsmand_workspace_start_failures_total";
  assert.deepEqual(await series(metrics, name), ['{reason="failed",type="REGULAR",class="default"} 0', '{reason="timeout",type="REGULAR",class="default"} 0']);
  for (const reason of ["failed", "timeout", "regular-stop", "tab-closed"] as const) metrics.workspaces.stopped(reason, REGULAR, "default", true);
  metrics.workspaces.stopped("failed", REGULAR, "default", false);
  assert.deepEqual(await series(metrics, name), ['{reason="failed",type="REGULAR",class="default"} 1', '{reason="timeout",type="REGULAR",class="default"} 1']);
});

test("workspaces that start or stop are counted under every age that they have reached", async () => {
  const metrics = plain();
  metrics.workspaces.source(() => ({ ...noWorkspaces, starting: [4, 2, 1, 1, 0, 0, 0], stopping: [1, 1, 1, 1, 1, 1, 1] }));
  assert.deepEqual(await series(metrics, "wsmand_workspaces_starting"), [0, 60, 300, 900, 1800, 3600, 7200].map((age, i) => `{older_than="${age}"} ${[4, 2, 1, 1, 0, 0, 0][i]}`));
  assert.deepEqual((await series(metrics, "wsmand_workspaces_stopping")).at(-1), '{older_than="7200"} 1');
  metrics.leader(false);
  assert.deepEqual(await series(metrics, "wsmand_workspaces_stopping"), []);
});

test("backups and restores are there at zero from the first of either kind on", async () => {
  const metrics = plain();
  metrics.lifecycle.backup({ type: REGULAR, workspaceClass: "default" }, true);
  metrics.lifecycle.restore({ type: REGULAR, workspaceClass: "default" }, false);
  const values = async (what: string): Promise<string[]> => [...(await series(metrics, `gitpod_ws_manager_workspace_${what}_success_total`)), ...(await series(metrics, `gitpod_ws_manager_workspace_${what}_failure_total`))];
  assert.deepEqual(await values("backups"), ['{type="REGULAR",class="default"} 1', '{type="REGULAR",class="default"} 0']);
  assert.deepEqual(await values("restores"), ['{type="REGULAR",class="default"} 0', '{type="REGULAR",class="default"} 1']);
});

test("a follower reports no workspaces", async () => {
  const metrics = plain();
  metrics.workspaces.source(() => ({ ...noWorkspaces, exposedPorts: 5, phases: [{ phase: RUNNING, type: REGULAR, workspaceClass: "default", count: 1 }] }));
  metrics.leader(false);
  metrics.workspaces.started(REGULAR, "default", 3);
  metrics.workspaces.stopped("failed", REGULAR, "default", true);
  assert.deepEqual(await series(metrics, "wsmand_leader"), ["0"]);
  assert.deepEqual(await series(metrics, "gitpod_ws_manager_exposed_ports"), ["0"]);
  for (const name of ["gitpod_ws_manager_workspace_phase_total", "gitpod_ws_manager_workspace_stops_total", "wsmand_workspace_start_failures_total", "gitpod_ws_manager_workspace_startup_seconds_count"]) assert.deepEqual(await series(metrics, name), []);
  metrics.leader(true);
  assert.deepEqual(await series(metrics, "gitpod_ws_manager_exposed_ports"), ["5"]);
});

test("one that stood still and leads no more finds that out when it is scraped", async () => {
  const metrics = plain();
  let leads = true;
  metrics.workspaces.source(() => ({ ...noWorkspaces, exposedPorts: 5 }));
  metrics.leader(() => leads);
  assert.deepEqual([await series(metrics, "wsmand_leader"), await series(metrics, "gitpod_ws_manager_exposed_ports")], [["1"], ["5"]]);
  leads = false;
  assert.deepEqual([await series(metrics, "wsmand_leader"), await series(metrics, "gitpod_ws_manager_exposed_ports")], [["0"], ["0"]]);
});

test("a subscriber's series vanishes with it, and many subscribers share one", async () => {
  const metrics = plain();
  let queues: [string, number][] = [["10.0.0.1:1", 3], ["10.0.0.1:1", 4], ["10.0.0.2:1", 0]];
  metrics.subscriptions.queues(() => queues);
  const name = "gitpod_ws_manager_subscriber_queue_level";
  assert.deepEqual(await series(metrics, name), ['{client="10.0.0.1:1"} 7', '{client="10.0.0.2:1"} 0']);
  assert.deepEqual(await series(metrics, "wsmand_subscribers"), ["3"]);
  queues = [["10.0.0.2:1", 1]];
  assert.deepEqual(await series(metrics, name), ['{client="10.0.0.2:1"} 1']);
  queues = Array.from({ length: 5000 }, (_, i) => [`client-${i}`, 1]);
  const many = await series(metrics, name);
  assert.equal(many.length, 2001);
  assert.equal(many.at(-1), '{client="other"} 3000');
});

test("labels from pods can't make series without end", async () => {
  const metrics = plain();
  for (let i = 0; i < 1000; i++) {
    metrics.workspaces.stopped("failed", REGULAR, `class-${i}`, true);
    metrics.workspaces.started(REGULAR, `class-${i}`, 1);
  }
  metrics.workspaces.source(() => ({
    ...noWorkspaces,
    phases: Array.from({ length: 1000 }, (_, i) => ({ phase: RUNNING, type: REGULAR, workspaceClass: `class-${i}`, count: 1 })),
    timeouts: Array.from({ length: 1000 }, (_, i) => [`${i}m`, 1] as const),
  }));
  for (const name of ["gitpod_ws_manager_workspace_stops_total", "gitpod_ws_manager_workspace_startup_seconds_count", "gitpod_ws_manager_workspace_phase_total", "wsman_workspace_timeout_settings_total"]) {
    const lines = await series(metrics, name);
    assert.equal(lines.length, 51, name);
    assert.match(lines.at(-1) ?? "", /"other".* 950$/);
  }
});

test("hostile label values are printed as text", async () => {
  const metrics = plain();
  metrics.workspaces.source(() => ({ ...noWorkspaces, timeouts: [['__proto__', 1], ['a"} 1\nfake 2', 1]] }));
  const text = await metrics.render();
  assert.match(text, /timeout="__proto__"} 1/);
  assert.doesNotMatch(text, /^fake/m);
});

test("pipeline, cache and API requests are recorded", async () => {
  const metrics = plain();
  metrics.pipeline.eventToPublish(0.004);
  metrics.pipeline.batch(8, 2000);
  metrics.pipeline.skippedPod("poisoned");
  metrics.pipeline.queueDepth(() => 7);
  metrics.cache.hits.add(3);
  metrics.cache.size(() => ({ bytes: 100, entries: 2 }));
  metrics.subscriptions.ended("stalled");
  metrics.kube.request("list", "pods", 200, 0.1);
  metrics.kube.watchRestarted("pods", "closed");
  metrics.kube.relisted("pods", "expired");
  metrics.kube.throttled("patch", "pods", 0.5);
  const ages: number[] = [];
  metrics.kube.lastEventAge("pods", () => ages[0]);
  assert.deepEqual(await series(metrics, "wsmand_watch_last_event_age_seconds"), []);
  ages.push(12);
  const expected: Record<string, string> = {
    wsmand_event_to_publish_seconds_sum: "0.004",
    wsmand_pipeline_batch_lines_sum: "8",
    wsmand_worker_task_seconds_sum: "0.002",
    wsmand_pipeline_queue_depth: "7",
    wsmand_status_cache_hits_total: "3",
    wsmand_status_cache_bytes: "100",
    wsmand_status_cache_entries: "2",
    wsmand_api_requests_total: '{verb="list",resource="pods",code="200"} 1',
    wsmand_watch_restarts_total: '{resource="pods",reason="closed"} 1',
    wsmand_relists_total: '{resource="pods",reason="expired"} 1',
    wsmand_api_throttle_wait_seconds_count: '{verb="patch",resource="pods"} 1',
    wsmand_watch_last_event_age_seconds: '{resource="pods"} 12',
  };
  for (const [name, value] of Object.entries(expected)) assert.deepEqual(await series(metrics, name), [value], name);
  assert.deepEqual(await series(metrics, "wsmand_skipped_pods_total"), ['{reason="unparsable"} 0', '{reason="invalid"} 0', '{reason="poisoned"} 1']);
});

test("gRPC codes have Go's names, and calls the buckets that dashboards know", async () => {
  const metrics = plain();
  const method = metrics.rpc.method("unary", "s", "M");
  assert.equal(metrics.rpc.method("unary", "s", "M"), method);
  for (let code = 0; code <= 16; code++) method.handled(code, 0.01);
  const codes = (await series(metrics, "grpc_server_handled_total")).map((line) => /grpc_code="(\w+)"/.exec(line)?.[1]);
  assert.deepEqual(codes.slice(0, 6), ["OK", "Canceled", "Unknown", "InvalidArgument", "DeadlineExceeded", "NotFound"]);
  assert.equal(new Set(codes).size, 17);
  const buckets = (await series(metrics, "grpc_server_handling_seconds_bucket")).map((line) => /le="([^"]*)"/.exec(line)?.[1]);
  assert.deepEqual(buckets, ["0.005", "0.025", "0.05", "0.1", "0.5", "1", "2.5", "5", "30", "60", "120", "240", "600", "+Inf"]);
});

test("a tally only grows", () => {
  const tally = new Tally();
  for (const count of [1, -5, Number.NaN, Infinity, 2]) tally.add(count);
  tally.add();
  assert.equal(tally.total, 4);
});

test("a family of tallies keeps its limit and loses no count", () => {
  const family = new TallyFamily(["a", "b"], 2);
  for (const value of ["x", "y", "z", "__proto__"]) family.of(value, "1").add();
  assert.deepEqual([...family.entries()].map(({ labels, total }) => [labels.a, labels.b, total]), [["x", "1", 1], ["y", "1", 1], ["other", "other", 2]]);
});
