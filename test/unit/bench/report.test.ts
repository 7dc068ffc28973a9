/** Tests of the load tool's arithmetic and of its look at processes. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import assert from "node:assert/strict";
import { machineNow } from "../../../src/bench/load/clock.ts";
import { parseOptions } from "../../../src/bench/options.ts";
import { measured, median, slope, summarize } from "../../../src/bench/report/figures.ts";
import { reportOf } from "../../../src/bench/report/report.ts";
import { plain, table } from "../../../src/bench/report/table.ts";
import { Usage } from "../../../src/bench/report/usage.ts";
import { scenarios } from "../../../src/bench/scenarios/index.ts";

test("medians of odd and even numbers of runs", () => {
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([4, 1, 2, 3]), 2.5);
  assert.ok(Number.isNaN(median([])));
});

test("the slope of points that lie on a line, near one, and of too few", () => {
  assert.equal(slope([[1, 5], [2, 7], [4, 11]]), 2);
  assert.ok(Math.abs(slope([[0, 0.1], [1, 0.9], [2, 2.1], [3, 2.9]]) - 0.96) < 1e-9);
  assert.ok(Number.isNaN(slope([[1, 5]])));
});

test("a figure that one run could not give is summarized over the others", () => {
  const summary = summarize([{ a: 1, b: 5 }, { a: 3 }, { a: 2 }]);
  assert.deepEqual(summary.get("a"), { median: 2, min: 1, max: 3 });
  assert.deepEqual(summary.get("b"), { median: 5, min: 5, max: 5 });
});

test("what was not measured is no figure", () => {
  assert.deepEqual(measured({ a: 0, b: undefined, c: Number.NaN }), { a: 0 });
});

test("the table gives the spread only where there is one", () => {
  const figures = new Map([["latency", { median: 1.234, min: 1, max: 1234.5 }]]);
  assert.equal(table(figures, 1), "latency  1.23");
  assert.equal(table(figures, 2), "latency  1.23  1 to 1235");
  assert.deepEqual([0, 0.1234, 12.345, 123.4].map(plain), ["0", "0.123", "12.35", "123"]);
});

test("the table names what is left out, and why, unless another run has it", () => {
  const figures = new Map([["rss", { median: 5, min: 5, max: 5 }]]);
  assert.equal(table(figures, 1, { rss: "give --pid", api_requests: "give --metrics" }), "rss           5\napi_requests  -  give --metrics");
});

test("a process' CPU time and memory are seen", { skip: process.platform !== "linux" }, async () => {
  const usage = new Usage();
  usage.watch("me", process.pid);
  usage.watch("nobody", 2 ** 22 + 1);
  const from = machineNow();
  usage.sample();
  while (machineNow() < from + 300);
  usage.sample();
  const to = machineNow();
  usage.stop();
  const cost = usage.cost("me", from, to);
  assert.ok(cost && cost.cpuMs > 0 && cost.rssMb > 10, JSON.stringify(cost));
  assert.equal(usage.cost("nobody", from, to), undefined);
  assert.equal(usage.cost("me", to + 10_000, to + 20_000), undefined);
});

test("what a process cost in a time in which nobody could look is told from the looks before and after", { skip: process.platform !== "linux" }, async () => {
  const usage = new Usage();
  usage.watch("me", process.pid);
  usage.sample();
  const seen = machineNow();
  while (machineNow() < seen + 900);
  usage.sample();
  usage.stop();
  const cost = usage.cost("me", seen + 400, seen + 450);
  assert.ok(cost && cost.cpuMs > 0, JSON.stringify(cost));
});

test("the curve of a process has nothing of the one that had its name just before", { skip: process.platform !== "linux" }, async () => {
  const usage = new Usage();
  const before = spawn("sleep", ["60"]);
  usage.watch("daemon", before.pid);
  usage.sample();
  const ended = once(before, "exit");
  before.kill("SIGKILL");
  await ended;
  const from = machineNow();
  usage.watch("daemon", process.pid);
  usage.sample();
  const { rss } = usage.curves("daemon", from, machineNow());
  usage.stop();
  // A process that sleeps takes next to nothing.
  assert.ok(rss.length > 0 && rss.every(([x, y]) => x >= 0 && y > 10), JSON.stringify(rss));
});

test("a look just after another one makes no peak in the curve", { skip: process.platform !== "linux" }, async () => {
  const usage = new Usage();
  usage.watch("me", process.pid);
  const from = machineNow();
  usage.sample();
  usage.sample();
  while (machineNow() < from + 200);
  usage.sample();
  usage.sample();
  const { rss, cpu } = usage.curves("me", from, machineNow());
  usage.stop();
  assert.equal(rss.length, 2);
  assert.equal(cpu.length, 1);
});

test("what may hold a password is no parameter of a report, and what was measured with is", async () => {
  const out = { write: () => {} };
  const asked = parseOptions(["calls", "--kubeconfig", "hunter2", "--target", "h:1", "--metrics", "http://h:2/metrics?token=hunter2", "--image", "r.example.com/a:b"], scenarios, { stdout: out, stderr: out });
  assert.equal(asked.options.metrics, "http://h:2/metrics?token=hunter2");
  const { json } = await reportOf(asked, []);
  assert.equal(json.parameters["image"], "r.example.com/a:b");
  assert.ok(!JSON.stringify(json).includes("hunter2"));
});

test("a flag that does nothing in a scenario is no parameter of its report", async () => {
  const out = { write: () => {} };
  const { json } = await reportOf(parseOptions(["scale", "--rest", "3"], scenarios, { stdout: out, stderr: out }), []);
  assert.equal(json.parameters["rest"], 3);
  assert.deepEqual(Object.keys(json.parameters).filter((name) => ["changes", "stalled", "concurrency", "storm"].includes(name)), []);
});
