/** The chart's dashboards: they read what the daemon exports, and dashboards of installations still find theirs. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { dashboardFiles, dashboardFolder } from "../../../scripts/dashboards/files.ts";
import { integerAt, objectAt, objectsAt, textAt } from "../../../src/domain/json.ts";
import { wsman } from "../../../src/gen/proto.js";
import { createMetrics } from "../../../src/metrics/registry.ts";
import { dashboardsOfChart, rulesOfChart } from "../../support/monitoring.ts";
import { metricNames } from "../../support/promql.ts";

/** Written by Prometheus itself. */
const ofPrometheus: ReadonlySet<string> = new Set(["up", "ALERTS"]);

/** Names of all series that the daemon can export. */
async function exportedNames(): Promise<ReadonlySet<string>> {
  const text = await createMetrics().render();
  return new Set(Array.from(text.matchAll(/^# TYPE (\S+) (\S+)$/gm)).flatMap(([, name = "", kind = ""]) => (kind === "histogram" ? ["_bucket", "_sum", "_count"].map((suffix) => name + suffix) : [name])));
}

test("every metric that a dashboard or a rule reads is exported by the daemon, or recorded by a rule", async () => {
  const [exported, rules] = [await exportedNames(), rulesOfChart()];
  const recorded = new Set(rules.map(({ record }) => record).filter((name) => name !== ""));
  const expressions = [...dashboardsOfChart().flatMap(({ queries }) => queries), ...rules.map(({ expr, record, alert }) => ({ where: `rule ${record}${alert}`, expr }))];
  assert.ok(expressions.length > 100, "there is something to look at");
  for (const { where, expr } of expressions) {
    const names = metricNames(expr);
    if (!expr.startsWith("vector(")) assert.notDeepEqual(names, [], where);
    for (const name of names) assert.ok(exported.has(name) || recorded.has(name) || ofPrometheus.has(name), `${where} reads ${name}, which nobody exports`);
  }
});

test("every recorded series is read by a rule or a dashboard", () => {
  const rules = rulesOfChart();
  const read = new Set([...dashboardsOfChart().flatMap(({ queries }) => queries), ...rules].flatMap(({ expr }) => metricNames(expr)));
  for (const { record } of rules) assert.ok(record === "" || read.has(record), record);
});

test("the files are those that the script writes", () => {
  for (const [name, text] of dashboardFiles()) assert.equal(readFileSync(join(import.meta.dirname, "../../..", dashboardFolder, name), "utf8"), text, `${name}: npm run dashboards`);
  assert.deepEqual(dashboardsOfChart().map(({ name }) => name).toSorted(), [...dashboardFiles().keys()].toSorted());
});

test("each dashboard can be pointed at a data source, a namespace and a job, and each of its queries looks there only", () => {
  const dashboards = dashboardsOfChart();
  for (const { name, model, queries } of dashboards) {
    const variables = objectsAt(objectAt(model, "templating"), "list");
    assert.deepEqual(variables.map((variable) => [textAt(variable, "name"), textAt(variable, "type")]), [["datasource", "datasource"], ["namespace", "query"], ["job", "query"]], name);
    for (const { where, expr } of queries) {
      const selectors = Array.from(expr.matchAll(/\{([^}]*)\}/g), ([, matchers = ""]) => matchers);
      // Alerts of a job that is gone have no job, and budgets belong to no installation.
      const expected = metricNames(expr).includes("ALERTS") ? ['namespace=~"$namespace"'] : ['namespace=~"$namespace"', 'job=~"$job"'];
      const bare = metricNames(expr.replaceAll(/[\w:]+\{[^}]*\}/g, "0")).filter((metric) => metric !== "wsmand:slo_budget:ratio");
      assert.deepEqual(bare, [], `${where}: without matchers`);
      for (const selector of selectors) for (const matcher of expected) assert.ok(selector.includes(matcher), `${where}: {${selector}}`);
    }
    for (const holder of [...objectsAt(model, "panels").filter((panel) => textAt(panel, "type") !== "row"), ...objectsAt(model, "panels").flatMap((panel) => objectsAt(panel, "targets"))]) assert.deepEqual({ ...objectAt(holder, "datasource") }, { type: "prometheus", uid: "${datasource}" }, name);
  }
  assert.equal(new Set(dashboards.map(({ model }) => textAt(model, "uid"))).size, dashboards.length);
});

test("panels say what they show, have numbers of their own, and do not lie on each other", () => {
  for (const { name, model } of dashboardsOfChart()) {
    const panels = objectsAt(model, "panels");
    assert.equal(new Set(panels.map((panel) => integerAt(panel, "id"))).size, panels.length, name);
    const taken = new Set<string>();
    for (const panel of panels) {
      const title = `${name}, ${textAt(panel, "title")}`;
      if (textAt(panel, "type") !== "row") assert.ok(textAt(panel, "description").length > 10, title);
      const [x, y, w, h] = (["x", "y", "w", "h"] as const).map((key) => integerAt(objectAt(panel, "gridPos"), key) ?? assert.fail(title));
      assert.ok(x !== undefined && w !== undefined && x + w <= 24, title);
      for (let column = x; column < x + w; column++) {
        for (let row = y ?? 0; row < (y ?? 0) + (h ?? 0); row++) {
          assert.ok(!taken.has(`${column} ${row}`), `${title} lies on another one`);
          taken.add(`${column} ${row}`);
        }
      }
    }
  }
});

/** What dashboards and alerts of installations read: labels, and for histograms the buckets. */
const starts = ["2", "4", "8", "16", "32", "64", "128", "256", "512", "1024", "+Inf"];
const calls = ["0.005", "0.025", "0.05", "0.1", "0.5", "1", "2.5", "5", "30", "60", "120", "240", "600", "+Inf"];
const ofCall = ["grpc_type", "grpc_service", "grpc_method"];
type Expected = readonly [name: string, kind: "counter" | "gauge" | "histogram", labels: readonly string[], buckets?: readonly string[]];
const ofInstallations: readonly Expected[] = [
  ...["workspace_startup", "workspace_initialize", "workspace_finalize", "volume_snapshot", "volume_restore"].map((name): Expected => [`gitpod_ws_manager_${name}_seconds`, "histogram", ["type", "class"], starts]),
  ...["starts", "backups_success", "backups_failure", "restores_success", "restores_failure"].map((name): Expected => [`gitpod_ws_manager_workspace_${name}_total`, "counter", ["type", "class"]]),
  ["gitpod_ws_manager_workspace_stops_total", "counter", ["reason", "type", "class"]],
  ["gitpod_ws_manager_exposed_ports", "gauge", []],
  ["gitpod_ws_manager_workspace_phase_total", "gauge", ["phase", "type", "class"]],
  ["gitpod_ws_manager_workspace_activity_total", "gauge", ["active"]],
  ["wsman_workspace_timeout_settings_total", "gauge", ["timeout"]],
  ["gitpod_ws_manager_subscriber_queue_level", "gauge", ["client"]],
  ["gitpod_ws_manager_wall_time_monotonicity_violation_total", "counter", []],
  ...["grpc_server", "grpc_client"].flatMap((side): Expected[] => [
    ...["started", "msg_received", "msg_sent"].map((what): Expected => [`${side}_${what}_total`, "counter", ofCall]),
    [`${side}_handled_total`, "counter", [...ofCall, "grpc_code"]],
    [`${side}_handling_seconds`, "histogram", ofCall, calls],
  ]),
  ["grpc_server_rate_limiter_calls_total", "counter", ["grpc_method", "rate_limited"]],
];

test("dashboards of installations find the metrics that they read, with their labels and buckets", async () => {
  const metrics = createMetrics({ process: false });
  const kind = { type: wsman.WorkspaceType.REGULAR, workspaceClass: "default" };
  metrics.workspaces.created("REGULAR", "default");
  metrics.workspaces.started(kind.type, "default", 3);
  metrics.workspaces.stopped("timeout", kind.type, "default", false);
  metrics.workspaces.source(() => ({ phases: [{ phase: wsman.WorkspacePhase.RUNNING, ...kind, count: 1 }], exposedPorts: 1, active: 1, inactive: 0, timeouts: [["60m", 1]], starting: [], stopping: [] }));
  for (const what of ["initialized", "finalized", "volumeSnapshot", "volumeRestored"] as const) metrics.lifecycle[what](kind, 3);
  for (const what of ["backup", "restore"] as const) metrics.lifecycle[what](kind, true);
  metrics.subscriptions.queues(() => [["10.0.0.1:1", 3]]);
  for (const side of [metrics.rpc, metrics.rpcClient]) side.method("unary", "wsman.WorkspaceManager", "MarkActive").handled(0, 0.01);
  metrics.rpc.rateLimited("MarkActive", false);
  const lines = (await metrics.render()).split("\n");
  for (const [name, expected, labels, buckets] of ofInstallations) {
    assert.ok(lines.includes(`# TYPE ${name} ${expected}`), `${name} is a ${expected}`);
    const sample = buckets ? `${name}_bucket` : name;
    const series = lines.filter((line) => line.startsWith(`${sample} `) || line.startsWith(`${sample}{`));
    assert.ok(series.length > 0, name);
    for (const line of series) assert.deepEqual(Array.from(line.matchAll(/[{,](\w+)="/g), ([, label = ""]) => label).filter((label) => label !== "le").toSorted(), labels.toSorted(), line);
    if (buckets) assert.deepEqual(series.map((line) => /le="([^"]*)"/.exec(line)?.[1]), buckets, name);
  }
});
