/** The chart's dashboards and rules, as tests read them. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { asObject, objectAt, objectIn, objectsAt, textAt, type JsonObject } from "../../src/domain/json.ts";

const root = join(import.meta.dirname, "../..");
const files = join(root, "deploy/helm/wsmand/files");

/** The rule file, and its unit tests for promtool. */
export const rulesFile = join(files, "rules/wsmand.yaml");
export const ruleTestsFile = join(files, "rules/wsmand.test.yaml");
/** The page that tells of each alert. */
export const alertsPage = join(root, "docs/alerts.md");

/** A query of a dashboard's panel. */
export interface PanelQuery {
  /** File, panel, query, for messages. */
  readonly where: string;
  readonly expr: string;
  readonly legend: string;
}

/** A dashboard's file. */
export interface DashboardFile {
  readonly name: string;
  readonly model: JsonObject;
  readonly queries: readonly PanelQuery[];
}

/** A rule. */
export interface Rule {
  readonly expr: string;
  readonly labels: Readonly<Record<string, string>>;
  /** The series that it records, if it does. */
  readonly record: string;
  /** The alert's name, if it is one. */
  readonly alert: string;
  readonly annotations: Readonly<Record<string, string>>;
}

/** All dashboards of the chart. */
export function dashboardsOfChart(): readonly DashboardFile[] {
  const folder = join(files, "dashboards");
  return readdirSync(folder).map((name) => {
    const model = objectIn(readFileSync(join(folder, name), "utf8")) ?? {};
    const queries = objectsAt(model, "panels").flatMap((panel) => objectsAt(panel, "targets").map((target) => ({ where: `${name}, ${textAt(panel, "title")}, ${textAt(target, "refId")}`, expr: textAt(target, "expr"), legend: textAt(target, "legendFormat") })));
    return { name, model, queries };
  });
}

/** All rules of the chart, in order. */
export function rulesOfChart(): readonly Rule[] {
  const document: unknown = parse(readFileSync(rulesFile, "utf8"));
  return objectsAt(asObject(document), "groups").flatMap((group) => objectsAt(group, "rules").map((rule) => ({
    expr: textAt(rule, "expr"), record: textAt(rule, "record"), alert: textAt(rule, "alert"), labels: textsIn(objectAt(rule, "labels")), annotations: textsIn(objectAt(rule, "annotations")),
  })));
}

function textsIn(members: JsonObject = {}): Record<string, string> {
  return Object.fromEntries(Object.entries(members).map(([key, value]) => [key, String(value)]));
}
