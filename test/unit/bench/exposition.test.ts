/** Values read out of metrics. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { metricIn } from "../../../src/bench/load/exposition.ts";

test("a metric without labels is found by its whole name, wherever it stands", () => {
  const text = "first 1\n# HELP lag Lag.\n# TYPE lag gauge\nlag_max 3\nlag{a=\"b\"} 4\nlag 0.0125\nnone Nan\nlast 1.5e+3\n";
  assert.deepEqual(["first", "lag", "lag_max", "last", "none", "missing", "max"].map((name) => metricIn(text, name)), [1, 0.0125, 3, 1500, undefined, undefined, undefined]);
  assert.equal(metricIn("", "lag"), undefined);
});
