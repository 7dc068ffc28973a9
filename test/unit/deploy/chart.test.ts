/** What holds of the chart without helm: versions agree, its default configuration is one, its rights stand in one place, and its documents name all values. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { parse, parseAllDocuments } from "yaml";
import { record, text } from "../../../src/embedded/kubelet/json.ts";
import { parseConfig } from "../../../src/main/config/index.ts";
import { version } from "../../../src/main/version.ts";
import { chartFile, chartFolder } from "../../support/chart.ts";
import { chartRights, rulesIn } from "../../support/rights.ts";

test("the chart has the version of the daemon", async () => {
  const chart = await chartFile("Chart.yaml");
  assert.deepEqual([chart["version"], chart["appVersion"]], [version(), version()]);
});

test("the configuration in its values is one, without problems, and warns of what only the installation knows", async () => {
  const { config, warnings } = await parseConfig((await chartFile("values.yaml"))["config"], "values.yaml");
  assert.deepEqual(warnings.map((warning) => warning.split(": ", 1)[0]), ["manager.registryFacadeHost"]);
  assert.deepEqual([config.wsmand.leaderElection.enabled, config.wsmand.workers], [true, 2]);
});

test("the schema knows the values that there are, and the README tells of them", async () => {
  const values = Object.keys(await chartFile("values.yaml"));
  const schema = record((await chartFile("values.schema.json"))["properties"]);
  assert.deepEqual(Object.keys(schema).filter((key) => key !== "global").toSorted(), values.toSorted());
  const readme = await readFile(`${chartFolder}README.md`, "utf8");
  assert.deepEqual(values.filter((key) => !new RegExp(`\`${key}[\`.]`).test(readme)), []);
});

test("the README's first values are complete: a configuration without problems or warnings", async () => {
  const [, first = ""] = /```yaml\n(.*?)```/s.exec(await readFile(`${chartFolder}README.md`, "utf8")) ?? [];
  const [values, given] = [record((await chartFile("values.yaml"))["config"]), record(record(parse(first))["config"])];
  const { warnings } = await parseConfig({ ...values, manager: { ...record(values["manager"]), ...record(given["manager"]) } }, "README.md");
  assert.deepEqual([Object.keys(given), warnings], [["manager"], []]);
});

/** Verbs by resource, however many rules or rows they stand in. */
function verbsByResource(rights: readonly (readonly [resource: string, verbs: readonly string[]])[]): Readonly<Record<string, readonly string[]>> {
  const found = new Map<string, Set<string>>();
  for (const [resource, verbs] of rights) found.set(resource, new Set([...(found.get(resource) ?? []), ...verbs]));
  return Object.fromEntries([...found].map(([resource, verbs]) => [resource, [...verbs].toSorted()]));
}

test("the page on security tells of the rights that the chart gives, and of no others", async () => {
  const page = await readFile(new URL("../../../docs/security.md", import.meta.url), "utf8");
  const table = /^\| right \| for \|\n(.*?)\n\n/ms.exec(page)?.[1] ?? "";
  const rows = table.split("\n").map((row) => row.split("|")[1] ?? "");
  const told = rows.flatMap((row) => Array.from(row.matchAll(/(\w+): ((?:(?:, )?(?:get|list|watch|create|patch|delete)\b)+)/g), ([, resource = "", verbs = ""]) => [resource, verbs.split(", ")] as const));
  const { namespace, cluster } = await chartRights();
  const given = [...namespace, ...cluster].flatMap(({ resources, verbs }) => resources.map((resource) => [resource, verbs] as const));
  assert.deepEqual(verbsByResource(told), verbsByResource(given));
});

test("the role in the examples is the one that the chart makes", async () => {
  const documents = parseAllDocuments(await readFile(new URL("../../../examples/role.yaml", import.meta.url), "utf8")).map((document) => record(document.toJS()));
  const rulesOf = (kind: string) => rulesIn(documents.find((document) => text(document["kind"]) === kind)?.["rules"]);
  assert.deepEqual({ namespace: rulesOf("Role"), cluster: rulesOf("ClusterRole") }, await chartRights());
});
