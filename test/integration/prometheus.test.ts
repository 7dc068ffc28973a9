/** A real Prometheus scrapes a daemon on which much happens, and evaluates every query of every panel and every rule of the chart: each finds data, with the labels that it shows. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test, type TestContext } from "node:test";
import type { Daemon } from "../../src/main/daemon.ts";
import { startBusyLife } from "../support/busy-life.ts";
import { onRealCluster } from "../support/cluster.ts";
import { freePort } from "../support/control-plane.ts";
import { startTestDaemon } from "../support/daemon.ts";
import { dashboardsOfChart, rulesFile, rulesOfChart, type Rule } from "../support/monitoring.ts";
import { plainKubeconfig } from "../support/plain-kubeconfig.ts";
import { startPrometheus, type Prometheus, type Sample } from "../support/prometheus.ts";
import { alertLabels, legendLabels, withoutFilters } from "../support/promql.ts";
import { unlessThere } from "../support/tools.ts";
import { until } from "../support/until.ts";

const target = { namespace: "wsmand-test" } as const;
const job = "wsmand";
const skip = onRealCluster ? "it looks at the daemon, not at the API server" : unlessThere("prometheus", "prometheus");

/** What is asked, and what the answer must have. */
interface Question {
  readonly where: string;
  readonly expr: string;
  /** Labels that each series must have. */
  readonly labels: readonly string[];
}

/** The test has no half hour to look back, nor five minutes between two looks. */
function inShort(expr: string): string {
  return expr.replaceAll(" offset 30m", "").replaceAll(":5m]", ":5s]");
}

/** Queries as Grafana sends them. Where a panel shows 0 for want of data, the data are asked for. */
function panelQuestions(): readonly Question[] {
  const variables: readonly (readonly [string, string])[] = [["$namespace", target.namespace], ["$job", job], ["$__rate_interval", "1m"]];
  return dashboardsOfChart().flatMap(({ queries }) => queries.map(({ where, expr, legend }) => ({
    where, expr: variables.reduce((text, [name, value]) => text.replaceAll(name, value), expr.replace(/ or vector\(0\)$/, "")), labels: legendLabels(legend),
  })));
}

/** Alerts that are empty by their make while all is well: they are provoked (see the second half of the test). */
const provoked: ReadonlySet<string> = new Set(["WsmandDown", "WsmandNotSynchronized"]);

/** Alerts are asked for without their thresholds, and must have all the labels that they show: so a part of them that finds nothing is noticed. */
function ruleQuestions(): readonly Question[] {
  return rulesOfChart().filter(({ alert }) => !provoked.has(alert)).map((rule) => {
    const { alert, record, expr } = rule;
    return { where: `rule ${alert}${record} ${rule.labels["slo"] ?? ""}`, expr: alert === "" ? inShort(expr) : withoutFilters(inShort(expr)), labels: alert === "" ? labelsOfRecord(rule) : labelsOf(rule) };
  });
}

function labelsOfRecord({ record, labels }: Rule): readonly string[] {
  if (record === "wsmand:slo_budget:ratio") return [];
  return "slo" in labels ? ["namespace", "job"] : ["namespace", "job", "slo"];
}

function labelsOf({ annotations }: Rule): readonly string[] {
  return alertLabels(Object.values(annotations).join(" "));
}

/** What is wrong with an answer; undefined: nothing. */
function problemOf({ labels }: Question, samples: readonly Sample[]): string | undefined {
  if (samples.length === 0) return "no data";
  if (!samples.some(({ value }) => Number.isFinite(value))) return "no number";
  for (const sample of samples) for (const label of labels) if (!sample.labels[label]) return `a series without ${label}: ${JSON.stringify(sample.labels)}`;
  return undefined;
}

/** Asks until all are answered as they should be: it takes some scrapes until there is a rate of everything. */
async function allAnswered(prometheus: Prometheus, questions: readonly Question[]): Promise<void> {
  let open = questions.map((question) => ({ question, problem: "not asked yet" }));
  const ask = async (): Promise<boolean> => {
    const left: typeof open = [];
    for (const { question } of open) {
      const problem = problemOf(question, await prometheus.query(question.expr).catch((error: unknown) => assert.fail(`${question.where}: ${String(error)}\n${question.expr}`)));
      if (problem !== undefined) left.push({ question, problem });
    }
    open = left;
    return open.length === 0;
  };
  try {
    await until("all are answered", ask, 120_000);
  } catch {
    assert.fail(`of ${questions.length}:\n${open.map(({ question, problem }) => `${question.where}: ${problem}\n    ${question.expr}`).join("\n")}`);
  }
}

/** A replica whose API server is not there. */
async function startCutOff(t: TestContext): Promise<Daemon> {
  const daemon = await startTestDaemon(await plainKubeconfig(t, `127.0.0.1:${await freePort()}`));
  t.after(() => daemon.close());
  return daemon;
}

function portOf({ metricsPort }: Daemon): number {
  return metricsPort ?? assert.fail("it serves metrics");
}

function expressionOf(name: string): string {
  return inShort(rulesOfChart().find(({ alert }) => alert === name)?.expr ?? assert.fail(name));
}

test("every query of every panel and rule finds data with its labels, and alerts fire for what is wrong", { skip, timeout: 240_000 }, async (t) => {
  const life = await startBusyLife(t);
  const cutOff = await startCutOff(t);
  const prometheus = await startPrometheus({ ports: [portOf(life.daemon.daemon), portOf(cutOff)], job, labels: target, rules: inShort(readFileSync(rulesFile, "utf8")) });
  t.after(() => prometheus.close());

  await t.test("panels and rules", async () => {
    const questions = [...panelQuestions(), ...ruleQuestions()];
    assert.ok(questions.length > 150, `${questions.length} questions`);
    await allAnswered(prometheus, questions);
  });
  await t.test("what the dashboards offer to choose from", async () => {
    assert.deepEqual(await prometheus.labelValues("namespace", "wsmand_leader"), [target.namespace]);
    assert.deepEqual(await prometheus.labelValues("job", `wsmand_leader{namespace=~"${target.namespace}"}`), [job]);
  });
  await t.test("a backup that fails, and a replica that knows nothing", async () => {
    const firing = async (name: string): Promise<boolean> => (await prometheus.alerts()).some((alert) => alert.name === name && alert.state === "firing");
    await until("the lost backup is told of", () => firing("WsmandBackupFailed"));
    const [unknowing, ...others] = await prometheus.query(expressionOf("WsmandNotSynchronized"));
    assert.deepEqual([unknowing?.labels["instance"], others], [`127.0.0.1:${portOf(cutOff)}`, []]);
    for (const { name, annotations } of await prometheus.alerts()) for (const text of Object.values(annotations)) assert.doesNotMatch(text, /no value|error expanding|\{\{/, name);
  });
  await life.stop();
  await t.test("replicas that are gone", async () => {
    for (const daemon of [life.daemon, cutOff]) await daemon.close();
    await until("they are missed", async () => (await prometheus.query(expressionOf("WsmandDown"))).length > 0);
    assert.deepEqual((await prometheus.query(expressionOf("WsmandDown"))).map(({ labels }) => labels), [{ ...target, job }]);
    assert.equal((await prometheus.query(expressionOf("WsmandReplicaDown"))).length, 2);
  });
});
