/** The references in docs/ are what the code says. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { test } from "node:test";
import { configNodes, renderConfiguration } from "../../../scripts/docs/configuration.ts";
import { renderMetrics } from "../../../scripts/docs/metrics.ts";
import { madePages } from "../../../scripts/docs/pages.ts";
import { asObject } from "../../../src/domain/json.ts";
import { load } from "../../../src/main/config/index.ts";
import { readDocument } from "../../../src/main/config/source.ts";

const example = (name: string): string => fileURLToPath(new URL(`../../../examples/${name}`, import.meta.url));

// Of the metrics of a process some are Linux' own.
test("the references are what the code says", { skip: process.platform !== "linux" && "the page tells of Linux" }, () => {
  for (const { path, found, wanted } of madePages()) assert.equal(found, wanted, `${path} is out of date: npm run docs`);
});

test("each key of the configuration is described", () => {
  const fields = configNodes().filter(({ kind }) => kind === "field");
  assert.ok(fields.length > 80, String(fields.length));
  for (const { path, description, notes } of fields) {
    assert.match(description ?? "", /^[\p{Lu}`].*[.]$/su, path);
    assert.ok(notes.type !== undefined && notes.type !== "", path);
  }
});

test("the reference has every key of the full example, and each once", async () => {
  const document = await readDocument(example("config.json"));
  assert.ok("value" in document);
  const keys = [...leaves(document.value, [])].map((path) => path.replace(/^manager\.workspaceClass\.[\w-]+/, "manager.workspaceClass.ID").replace(/^rpcServer\.ratelimits\.[^.]+/, "rpcServer.ratelimits.METHOD"));
  const rows = [...renderConfiguration().matchAll(/^\| `([^`]+)` \|/gm)].map(([, key]) => key);
  for (const key of keys) assert.ok(rows.includes(key), key);
  assert.equal(new Set(rows).size, rows.length);
});

test("what the reference says is required, is; and a default is what counts", async () => {
  const { config } = await load(example("local.json"), { cores: 4 });
  const table = new Map([...renderConfiguration().matchAll(/^\| `([^`]+)` \| [^|]* \|([^|]*)\|/gm)].map(([, key = "", fallback = ""]) => [key, fallback.trim()]));
  assert.equal(table.get("manager.timeouts.startup"), "required");
  assert.equal(table.get("manager.timeouts.interrupted"), "`5m`");
  assert.equal(config.manager.timeouts.interrupted, 300_000);
  assert.equal(table.get("wsmand.statusCache.maxBytes"), "`128Mi`");
  assert.equal(config.wsmand.statusCache.maxBytes, 128 * 2 ** 20);
  assert.equal(table.get("wsmand.lifecycle.enabled"), "`true`");
  assert.equal(table.get("wsmand.workers"), "cores - 1, at least 1 and at most 4");
  assert.equal(table.get("manager.schedulerName"), "");
});

test("a metric's row has its name, kind, labels, help and buckets, and a bar in it does not break the table", () => {
  const rendered = renderMetrics([
    { name: "wsmand_x_seconds", help: "Time of a|b.", type: "histogram", labels: ["verb", "resource"], buckets: [0.1, 1] },
    { name: "other", help: "No full stop", type: "gauge", labels: [], buckets: [] },
  ]);
  assert.ok(rendered.includes("| `wsmand_x_seconds` | histogram | `verb`, `resource` | Time of a\\|b. Buckets: 0.1, 1. |"), rendered);
  assert.ok(rendered.includes("### The process\n"), rendered);
  assert.ok(rendered.endsWith("| `other` | gauge | | No full stop. |"), rendered);
});

function* leaves(value: unknown, path: readonly string[]): Generator<string> {
  const object = asObject(value);
  if (!object) yield path.join(".");
  else for (const [name, member] of Object.entries(object)) yield* leaves(member, [...path, name.replaceAll(".", "_")]);
}
