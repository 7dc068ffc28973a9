/** Reading names out of PromQL, without a Prometheus. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { alertLabels, legendLabels, metricNames, withoutFilters } from "../../support/promql.ts";

test("names of metrics are found among functions, labels, texts and ranges", () => {
  assert.deepEqual(metricNames('sum by (le, job) (rate(a_bucket{code!="b", le=~"64([.]0)?"}[5m])) / on (slo) group_left () c:d:rate5m > 0.5'), ["a_bucket", "c:d:rate5m"]);
  assert.deepEqual(metricNames('(x unless last_over_time(x[1d] offset 15m)) or vector(0) and time() - min by (instance) (y) >= 1e3'), ["x", "y"]);
  assert.deepEqual(metricNames('topk(10, q{client="a } \\" [ b"})'), ["q"]);
  assert.deepEqual(metricNames("avg_over_time(z[$__rate_interval])"), ["z"]);
});

test("comparisons are made to tell instead of to leave out; matchers and texts stay", () => {
  assert.equal(withoutFilters('a{b!="c > d"} > 1 and e == on (f) group_left () (g <= bool 2)'), 'a{b!="c > d"} > bool 1 and e == bool on (f) group_left () (g <= bool 2)');
});

test("comparisons that say who is not meant stay: those in brackets behind unless", () => {
  assert.equal(withoutFilters("max(a unless on (b) (rate(c[1m]) == 1)) < 2"), "max(a unless on (b) (rate(c[1m]) == 1)) < bool 2");
  assert.equal(withoutFilters("(a unless (b > (1))) > 2 unless c > 3"), "(a unless (b > (1))) > bool 2 unless c > bool 3");
});

test("labels of legends and of alerts' texts are found", () => {
  assert.deepEqual(legendLabels("{{type}} {{ class }} p95"), ["type", "class"]);
  assert.deepEqual(alertLabels("{{ $value | humanize }} of {{ $labels.job }} ({{ with $labels.ns }}{{ . }}{{ end }}), {{ $labels.job }}"), ["job", "ns"]);
});
