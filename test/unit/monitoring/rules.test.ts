/** The chart's rules: each alert wakes somebody up with words and a page to read, and is tested; promtool, where it is, checks and runs them. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { parse } from "yaml";
import { asObject, objectsAt, textAt } from "../../../src/domain/json.ts";
import { alertsPage, ruleTestsFile, rulesFile, rulesOfChart } from "../../support/monitoring.ts";
import { findTool, unlessThere } from "../../support/tools.ts";

const alerts = rulesOfChart().filter(({ alert }) => alert !== "");
const skip = unlessThere("promtool", "prometheus");

/** Runs promtool, whose output tells what is wrong. */
function promtool(...flags: readonly string[]): string {
  try {
    return execFileSync(findTool("promtool") ?? "promtool", flags, { encoding: "utf8", stdio: "pipe" });
  } catch (error) {
    const { stdout, stderr } = asObject(error) ?? {};
    return assert.fail(`promtool ${flags.join(" ")}: ${String(stdout)}${String(stderr)}`);
  }
}

test("each alert has a name of its own, a severity, and says what it is, how much, and where to read on", () => {
  assert.ok(alerts.length > 20);
  assert.equal(new Set(alerts.map(({ alert }) => alert)).size, alerts.length);
  const headings = Array.from(readFileSync(alertsPage, "utf8").matchAll(/^### (Wsmand\w+)$/gm), ([, heading = ""]) => heading);
  for (const { alert, labels, annotations } of alerts) {
    assert.match(alert, /^Wsmand[A-Z]/);
    assert.match(labels["severity"] ?? "", /^(critical|warning)$/, alert);
    assert.ok((annotations["summary"] ?? "").length > 20, alert);
    assert.ok((annotations["description"] ?? "").length > 40, alert);
    assert.equal(annotations["runbook"], `docs/alerts.md#${alert.toLowerCase()}`);
  }
  assert.deepEqual(headings, alerts.map(({ alert }) => alert), "docs/alerts.md tells of each, in the order of the rules");
});

test("each alert is shown to fire, and not to fire", () => {
  const document: unknown = parse(readFileSync(ruleTestsFile, "utf8"));
  const checks = objectsAt(asObject(document), "tests").flatMap((one) => objectsAt(one, "promql_expr_test"));
  for (const { alert } of alerts) {
    const own = checks.filter((check) => textAt(check, "expr") === `ALERTS{alertname="${alert}", alertstate="firing"}`).map((check) => objectsAt(check, "exp_samples").length > 0);
    assert.deepEqual([own.includes(true), own.includes(false)], [true, true], alert);
  }
});

test("promtool finds nothing wrong with the rules", { skip }, () => {
  assert.match(promtool("check", "rules", rulesFile), /SUCCESS: \d+ rules found/);
});

test("promtool's unit tests of the rules pass", { skip }, () => {
  assert.match(promtool("test", "rules", ruleTestsFile), /SUCCESS/);
});
