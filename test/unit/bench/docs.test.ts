/** Tests of what scripts/bench-docs.ts makes of measurements: entries, and the table of docs/benchmarks.md. */
import { readFileSync } from "node:fs";
import { test } from "node:test";
import assert from "node:assert/strict";
import { argumentsOf, measurements } from "../../../scripts/bench-docs/measurements.ts";
import type { Measurement } from "../../../scripts/bench-docs/measurements.ts";
import { insertFigures, renderFigures } from "../../../scripts/bench-docs/render.ts";
import { entryOf, failure, formatResults, limitsOf, parseResults, reportSchema } from "../../../scripts/bench-docs/results.ts";
import type { Entry, Report } from "../../../scripts/bench-docs/results.ts";
import { runBench } from "../../../scripts/bench-docs/run.ts";
import { delayHistogram, recordDelay } from "../../../src/bench/load/ledger.ts";
import { limits } from "../../../src/bench/report/limits.ts";
import { Usage } from "../../../src/bench/report/usage.ts";

const machine = { cpu: "A CPU", cores: 2, memoryGb: 24, system: "linux 6" };
const report: Report = {
  date: "2026-11-25T19:41:05.123Z", machine, versions: { commit: "abc1234", node: "24.1.0", "grpc-js": "1.14.7" },
  runs: [
    { figures: { p99_ms: 12.3456789, ratio: 0.9, lost: 0 }, notes: ["the machine was the limit: 99 % of its CPU time was used", "CPU of one core: daemon 40 %"] },
    { figures: { p99_ms: 10, ratio: 0.8, lost: 0 }, notes: ["5000 workspaces: the machine was the limit: 97 %", "100 workspaces: the machine was the limit: 98 %"] },
    { figures: { p99_ms: 40, ratio: 0.7, lost: 0 }, notes: [] },
  ],
};
const entry = entryOf("stream --runs 3", report, false);
const one: Measurement = {
  id: "one", scenario: "stream", flags: ["--seconds", "9"], runs: 3, shows: "what | is <shown>", cluster: "built-in", figures: ["messages_per_s"],
  aims: [{ figure: "p99_ms", at: "most", value: 15 }, { figure: "ratio", at: "least", value: 0.85 }],
};

/** The one row of a table. */
function row(given: Entry | undefined, measurement = one): string {
  return renderFigures([measurement], given ? { one: given } : {}).split("\n").at(-1) ?? "";
}

test("an entry has medians and ranges, and says in how many runs the daemon was not the limit", () => {
  assert.deepEqual(entry, {
    command: "stream --runs 3", date: report.date, commit: "abc1234", machine, versions: report.versions, runs: 3,
    figures: { p99_ms: { median: 12.3457, min: 10, max: 40 }, ratio: { median: 0.8, min: 0.7, max: 0.9 }, lost: { median: 0, min: 0, max: 0 } },
    notes: ["the machine was the limit in 2 of 3 runs"],
  });
  assert.equal(entryOf("stream", report, true).commit, "abc1234 with changes");
});

test("what the load tool says of limits is understood", () => {
  const late = delayHistogram();
  recordDelay(late, 1000);
  const usage = new Usage();
  usage.stop();
  const notes = [...limits(usage, 0, 1, 0.99, late), "the daemon was not at its limit: its main thread ran 50 % of the time", "3 streams ended early: x"];
  assert.deepEqual(limitsOf([notes]), ["the load side was the limit", "the load side was late", "the daemon was not at its limit"]);
});

test("a report without runs is refused", () => {
  assert.throws(() => reportSchema.parse({ ...report, runs: [] }), /no run was completed/);
});

test("the file of results keeps the order of the page, and entries that the page does not have", () => {
  const text = formatResults({ other: entry, b: entry, a: entry }, ["a", "b", "c"]);
  assert.deepEqual(Object.keys(parseResults(text)), ["a", "b", "other"]);
  assert.deepEqual(parseResults(text)["a"], entry);
  assert.deepEqual(parseResults(undefined), {});
  assert.throws(() => parseResults('{"a": {"command": 1}}'));
});

test("a row has the command, figures with their ranges, and whether the aims are met", () => {
  assert.equal(row({ ...entry, figures: { ...entry.figures, messages_per_s: { median: 493_123.4, min: 9999, max: 1_234_567 } } }),
    "| `one`: what \\| is &lt;shown> | `stream --runs 3` | `p99_ms` 12.35 (10 to 40), aim ≤ 15: met<br>`ratio` 0.800 (0.700 to 0.900), aim ≥ 0.850: **missed**<br>`messages_per_s` 493,123 (9999 to 1,234,567)<br>none lost<br>_the machine was the limit in 2 of 3 runs_ |");
});

test("figures that are 0 or the same in every run have no range; a figure that is not there is not taken for one", () => {
  const measurement: Measurement = { ...one, aims: [{ figure: "api_requests", at: "most", value: 0 }, { figure: "gone", at: "most", value: 1 }], figures: [] };
  const text = row({ ...entry, notes: [], figures: { api_requests: { median: 0, min: 0, max: 0 } } }, measurement);
  assert.ok(text.endsWith("| `api_requests` 0, aim 0: met<br>`gone` not measured, aim ≤ 1 |"), text);
});

test("what should be within its noise is told as met or missed by the noise that was measured, and as neither without it", () => {
  const measurement: Measurement = { ...one, aims: [{ figure: "slope", at: "within", noise: "noise" }], figures: [] };
  const text = (figures: Readonly<Record<string, number>>): string => row({ ...entry, notes: [], figures: Object.fromEntries(Object.entries(figures).map(([name, value]) => [name, { median: value, min: value, max: value }])) }, measurement);
  assert.ok(text({ slope: 3, noise: 4 }).endsWith("| `slope` 3, aim within ±`noise`: met |"), text({ slope: 3, noise: 4 }));
  for (const slope of [5, -5]) assert.ok(text({ slope, noise: 4 }).endsWith(`| \`slope\` ${slope}, aim within ±\`noise\`: **missed** |`), text({ slope, noise: 4 }));
  assert.ok(text({ slope: 3 }).endsWith("| `slope` 3, aim within ±`noise` |"), text({ slope: 3 }));
});

test("figures that are aimed at are medians of five, but for the two longest measurements", () => {
  assert.deepEqual(measurements.filter(({ aims, runs }) => aims.length > 0 && runs < 5).map(({ id }) => id), ["lifecycle-10000", "soak"]);
});

test("a single lost status in a single run is told", () => {
  const text = row({ ...entry, figures: { lost: { median: 0, min: 0, max: 2 }, repeated: { median: 0, min: 0, max: 0 } } });
  assert.ok(text.includes("<br>**lost 2**, in the worst run<br>"), text);
  assert.ok(!text.includes("none"), text);
});

test("a row says that its command failed, or has not run yet", () => {
  const failed = failure("stream", "exit code 1:  there is no\nscenario | `x`", { date: "2026-11-26T00:00:00Z", commit: "def5678", changed: true });
  assert.ok(row(failed).endsWith("| `stream` | **failed**: exit code 1: there is no scenario \\| \\`x\\`<br>_2026-11-26, commit def5678 with changes_ |"), row(failed));
  assert.ok(row(undefined).endsWith("| `stream --seconds 9 --runs 3` | not measured yet |"), row(undefined));
  assert.equal(failure("x", "y".repeat(1000), { date: "", commit: "", changed: false }).failed?.length, 301);
});

test("the heading tells of the newest measurement, rows what differs from it", () => {
  const older: Entry = { ...entry, date: "2026-11-20T10:00:00Z", commit: "0000001" };
  const elsewhere: Entry = { ...older, machine: { ...machine, cpu: "Another CPU" } };
  const text = renderFigures([one, { ...one, id: "two" }, { ...one, id: "three" }], { one: older, two: entry, three: elsewhere });
  const [heading, , , , first, second, third] = text.split("\n");
  assert.equal(heading, "A CPU, 2 cores, 24 GiB, linux 6; Node 24.1.0, grpc-js 1.14.7. 2026-11-25, commit abc1234, unless a row says otherwise. Medians, and the range over the runs.");
  assert.ok(first?.endsWith("<br>_2026-11-20, commit 0000001_ |"), first);
  assert.ok(second && !second.includes("commit"), second);
  assert.ok(third?.endsWith("<br>_2026-11-20, commit 0000001, on Another CPU, 2 cores, 24 GiB, linux 6_ |"), third);
});

test("figures go between the markers and nowhere else", () => {
  const page = (text: string): string => `before\n<!-- figures: made by npm run bench:docs -->${text}<!-- end of figures -->\nafter $& $1\n`;
  const made = insertFigures(page("\nold\n"), "new $&");
  assert.equal(made, page("\n\nnew $&\n\n"));
  assert.equal(insertFigures(made, "new $&"), made);
  for (const broken of ["nothing", "<!-- end of figures --><!-- figures: made by npm run bench:docs -->", page("x") + page("y")]) assert.throws(() => insertFigures(broken, "new"), /must have/);
});

test("the page in the repository is what its results give", () => {
  const read = (file: string): string => readFileSync(new URL(`../../../docs/${file}`, import.meta.url), "utf8");
  const results = parseResults(read("benchmarks.json"));
  assert.equal(insertFigures(read("benchmarks.md"), renderFigures(measurements, results)), read("benchmarks.md"), "npm run bench:docs -- --render");
  assert.equal(formatResults(results, measurements.map(({ id }) => id)), read("benchmarks.json"));
});

test("each measurement has an id of its own; those on a real cluster are given it", () => {
  assert.equal(new Set(measurements.map(({ id }) => id)).size, measurements.length);
  assert.deepEqual(argumentsOf({ ...one, cluster: "real" }, 1, "FILE"), ["stream", "--kubeconfig", "FILE", "--seconds", "9"]);
  assert.deepEqual(argumentsOf(one, 5, "FILE"), ["stream", "--seconds", "9", "--runs", "5"]);
});

/** A program in place of the load tool. The report's file is its last argument. */
function program(code: string): string {
  return `data:text/javascript,${encodeURIComponent(code)}`;
}

/** Starts a program as the load tool: as a module that is imported first, since it is no file. */
async function run(code: string, signal = new AbortController().signal, progress: (text: string) => void = () => {}): Promise<Report> {
  return runBench(["stream"], { entry: `--import=${program(code)}`, signal, progress });
}

test("a report is read from what the load tool wrote, and its progress is passed on", async () => {
  let seen = "";
  const code = `import { writeFileSync } from "node:fs"; console.error("measuring"); writeFileSync(process.argv.at(-1), ${JSON.stringify(JSON.stringify(report))}); process.exit(0)`;
  assert.deepEqual(await run(code, undefined, (text) => void (seen += text)), report);
  assert.equal(seen, "measuring\n");
});

test("a load tool that fails gives its reason", async () => {
  await assert.rejects(run(`console.error("run 1 of 5\\nerror: no such scenario\\nhint: another"); process.exit(2)`), { message: "exit code 2: no such scenario hint: another" });
});

test("a load tool that is to end is asked once, and may clean up", async () => {
  const stop = new AbortController();
  const code = `setInterval(() => {}, 1000); process.on("SIGINT", () => { console.error("error: cleaned up"); process.exit(3); }); console.error("ready"); await new Promise(() => {})`;
  await assert.rejects(run(code, stop.signal, (text) => (text.includes("ready") ? stop.abort() : undefined)), { message: "exit code 3: cleaned up" });
});
