/** Histograms of our own, against prom-client's with the same values. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Histogram, Registry } from "prom-client";
import { tallyHistogram, tallyHistograms } from "../../../src/metrics/tally-histogram.ts";

const buckets = [0.005, 0.1, 1, 10];
const described = { name: "test_seconds", help: "A test.", buckets };
const value = fc.oneof(fc.constantFrom(0, -1, 0.005, 0.0051, 1, 10, 11, 1e9), fc.double({ min: -1, max: 20, noNaN: true }));

test("the text is what prom-client's own histogram gives, without labels and with some", async () => {
  await fc.assert(fc.asyncProperty(fc.array(value, { maxLength: 30 }), fc.array(value, { maxLength: 30 }), async (first, second) => {
    const [ours, theirs] = [new Registry(), new Registry()];
    const [plain, labelled] = [tallyHistogram(ours, described), tallyHistograms(ours, { ...described, name: "labelled_seconds", labelNames: ["method", "code"] })];
    const [a, b] = [labelled({ method: "A", code: "x" }), labelled({ method: "B", code: 'q"\n' })];
    const [plainOfTheirs, labelledOfTheirs] = [new Histogram({ ...described, buckets, registers: [theirs] }), new Histogram({ ...described, name: "labelled_seconds", labelNames: ["method", "code"], registers: [theirs] })];
    labelledOfTheirs.zero({ method: "A", code: "x" });
    labelledOfTheirs.zero({ method: "B", code: 'q"\n' });
    for (const each of first) {
      plain.observe(each);
      a.observe(each);
      plainOfTheirs.observe(each);
      labelledOfTheirs.observe({ method: "A", code: "x" }, each);
    }
    for (const each of second) {
      b.observe(each);
      labelledOfTheirs.observe({ method: "B", code: 'q"\n' }, each);
    }
    assert.equal(await ours.metrics(), await theirs.metrics());
  }), { numRuns: 50 });
});

test("what is no number is not counted", () => {
  const tally = tallyHistogram(new Registry(), described);
  for (const nonsense of [Number.NaN, Infinity, -Infinity]) tally.observe(nonsense);
  tally.observe(2);
  assert.deepEqual(tally.read(), { cumulative: [0, 0, 0, 1, 1], sum: 2 });
});
