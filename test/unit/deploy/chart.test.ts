/** What holds of the chart without helm: versions agree, its default configuration is one, its rights stand in one place, and its documents name all values. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { parseAllDocuments } from "yaml";
import { record, text } from "../../../src/embedded/kubelet/json.ts";
import { parseConfig } from "../../../src/main/config/index.ts";
import { version } from "../../../src/main/version.ts";
import { chartFile, chartFolder } from "../../support/chart.ts";
import { chartRights, rulesIn } from "../../support/rights.ts";

test("the chart has the version of the daemon", async () => {
  const chart = await chartFile("Chart.yaml");
  assert.deepEqual([chart["version"], chart["appVersion"]], [version(), version()]);
});

test("the configuration in its values is one, without problems or warnings", async () => {
  const { config, warnings } = await parseConfig((await chartFile("values.yaml"))["config"], "values.yaml");
  assert.deepEqual(warnings, []);
  assert.deepEqual([config.wsmand.leaderElection.enabled, config.wsmand.workers], [true, 2]);
});

test("the schema knows the values that there are, and the README tells of them", async () => {
  const values = Object.keys(await chartFile("values.yaml"));
  const schema = record((await chartFile("values.schema.json"))["properties"]);
  assert.deepEqual(Object.keys(schema).filter((key) => key !== "global").toSorted(), values.toSorted());
  const readme = await readFile(`${chartFolder}README.md`, "utf8");
  assert.deepEqual(values.filter((key) => !new RegExp(`\`${key}[\`.]`).test(readme)), []);
});

test("the role in the examples is the one that the chart makes", async () => {
  const documents = parseAllDocuments(await readFile(new URL("../../../examples/role.yaml", import.meta.url), "utf8")).map((document) => record(document.toJS()));
  const rulesOf = (kind: string) => rulesIn(documents.find((document) => text(document["kind"]) === kind)?.["rules"]);
  assert.deepEqual({ namespace: rulesOf("Role"), cluster: rulesOf("ClusterRole") }, await chartRights());
});
