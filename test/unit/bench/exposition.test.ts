/** Values read out of metrics. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { metricIn, metricSum } from "../../../src/bench/load/exposition.ts";

test("a metric without labels is found by its whole name, wherever it stands", () => {
  const text = "first 1\n# HELP lag Lag.\n# TYPE lag gauge\nlag_max 3\nlag{a=\"b\"} 4\nlag 0.0125\nnone Nan\nlast 1.5e+3\n";
  assert.deepEqual(["first", "lag", "lag_max", "last", "none", "missing", "max"].map((name) => metricIn(text, name)), [1, 0.0125, 3, 1500, undefined, undefined, undefined]);
  assert.equal(metricIn("", "lag"), undefined);
});

test("the series of a metric are added up by a label; a counter that has none yet is 0, and what is not there is nothing", () => {
  const text = '# HELP ends_total Ends, as {reason="stalled"} 5\n# TYPE ends_total counter\nends_total{reason="stalled"} 2\nends_total{reason="gone"} 3e0\nends_total_more 7\nplain 2.5\n# TYPE lists_total counter\n# TYPE room gauge\n';
  assert.deepEqual([metricSum(text, "ends_total"), metricSum(text, "ends_total", 'reason="stalled"'), metricSum(text, "ends_total", 'reason="x"')], [5, 2, 0]);
  assert.deepEqual([metricSum(text, "lists_total"), metricSum(text, "plain"), metricSum(text, "room"), metricSum(text, "ends")], [0, 2.5, undefined, undefined]);
});
