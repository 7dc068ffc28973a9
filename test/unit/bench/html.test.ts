/** Tests of the page that the load tool writes: what it holds, that nothing breaks out of it, and that every curve is drawn. */
import { createHash } from "node:crypto";
import { test } from "node:test";
import assert from "node:assert/strict";
import vm from "node:vm";
import type uPlot from "uplot";
import type { Browser } from "../../../src/bench/report/draw.ts";
import { htmlReport, jsonForScript } from "../../../src/bench/report/html.ts";
import { likeMedian, overlay } from "../../../src/bench/report/overlay.ts";
import { absentPlot } from "../../../src/bench/report/plot.ts";
import type { Plot } from "../../../src/bench/report/plot.ts";
import type { ReportJson } from "../../../src/bench/report/report.ts";

const nasty = `</script><script>alert(1)</script><!-- <img src="http://x.example/" onerror='alert(2)'> & "quoted" \u2028`;

function reportOf(runs: ReportJson["runs"]): ReportJson {
  return {
    scenario: "stream", machine: { cpu: "A CPU", cores: 2, memoryGb: 24, system: "linux 6" }, versions: { wsmand: "1.2.3", commit: "abc1234" },
    date: "2026-11-25T19:41:05.123Z", parameters: { rate: 500, target: { host: "h", port: 1 }, workers: undefined, cluster: "built-in" }, figures: {}, runs,
  };
}

const delays: Plot = { title: "Delay", kind: "percentiles", unit: "ms", lines: [{ name: "latency", points: [[0, 1], [90, 2], [99, 3], [99.9, 4], [100, 9]] }, { name: "added", points: [[0, 0.5], [100, 1]] }] };
const memory: Plot = { title: "Memory", kind: "time", unit: "MiB", lines: [{ name: "daemon", points: [[0.5, 100], [1.5, 110]] }] };
const runs: ReportJson["runs"] = [
  { figures: { latency_ms: 5, lost: 0 }, notes: ["the first note"], plots: [delays, memory] },
  { figures: { latency_ms: 7, lost: 0 }, notes: ["the second note"], plots: [delays, memory] },
  { figures: { latency_ms: 11.5, lost: 0 }, notes: [], plots: [memory, { title: "Empty", kind: "time", unit: "x", lines: [] }] },
];

/** Texts of the page's script elements: the data, the library, what draws. */
function scriptsOf(page: string): readonly string[] {
  return [...page.matchAll(/<script(?: [^>]*)?>([^]*?)<\/script>/g)].map(([, text = ""]) => text);
}

function withoutScripts(page: string): string {
  return page.replaceAll(/<script[^]*?<\/script>/g, "");
}

test("the page holds where, when and with what it was measured", async () => {
  const page = await htmlReport(reportOf(runs));
  for (const text of ["<h1>stream</h1>", "2026-11-25 19:41 UTC", "3 runs", "A CPU", "24 GiB", "abc1234", "<dt>rate</dt><dd>500</dd>", "{&#34;host&#34;:&#34;h&#34;,&#34;port&#34;:1}", "the first note", "the second note"]) assert.ok(page.includes(text), text);
  assert.ok(!page.includes("<dt>workers</dt>"));
});

test("each figure has its median, smallest and largest value, and the spread", async () => {
  const page = await htmlReport(reportOf(runs));
  assert.ok(page.includes(`<tr><td><code>latency_ms</code></td><td class="main">7</td><td>5</td><td>11.50</td><td>93 %</td></tr>`));
  assert.ok(page.includes(`<tr><td><code>lost</code></td><td class="main">0</td><td>0</td><td>0</td><td>0 %</td></tr>`));
  const single = await htmlReport(reportOf(runs.slice(0, 1)));
  assert.ok(single.includes(`<tr><td><code>latency_ms</code></td><td class="main">5</td></tr>`));
});

test("figures that no run has are named, with the reason", async () => {
  const page = await htmlReport(reportOf(runs.map((run) => ({ ...run, leftOut: { daemon_rss_mb: "give --pid", lost: "never" } }))));
  assert.ok(page.includes("<p>Left out:</p><ul><li><code>daemon_rss_mb</code>: give --pid</li></ul>"));
  assert.ok(!(await htmlReport(reportOf(runs))).includes("Left out"));
});

test("no text breaks out of its place, wherever it stands", async () => {
  const plots: readonly Plot[] = [{ title: nasty, kind: "time", unit: nasty, lines: [{ name: nasty, points: [[0, 1]] }] }];
  const plain = await htmlReport(reportOf(runs));
  const page = await htmlReport({ scenario: nasty, machine: { cpu: nasty, cores: 1, memoryGb: 1, system: nasty }, versions: { [nasty]: nasty }, date: nasty, parameters: { [nasty]: nasty, other: { [nasty]: [nasty] } }, figures: {}, runs: [{ figures: { [nasty]: 1 }, notes: [nasty], plots }] });
  assert.equal(scriptsOf(page).length, 3);
  assert.equal(page.match(/<script/g)?.length, plain.match(/<script/g)?.length);
  assert.ok(!page.includes("<img"));
  assert.ok(!withoutScripts(page).includes("onerror='"));
  const data: unknown = JSON.parse(scriptsOf(page)[0] ?? "");
  assert.deepEqual(data, { plots: [{ title: nasty, kind: "time", unit: nasty, lines: [{ name: nasty, runs: [{ run: 0, points: [[0, 1]] }] }] }], chosen: 0 });
});

test("data for a script element holds nothing that could end it", () => {
  const text = jsonForScript({ plots: overlay([{ plots: [{ ...memory, title: nasty }] }]), chosen: 0 });
  assert.ok(!/[<>&\u2028\u2029]/.test(text));
});

test("the page loads nothing, and nothing runs but its own two scripts", async () => {
  const page = await htmlReport(reportOf(runs));
  assert.ok(!/\b(?:src|href|action|srcset)=(?!"data:,")/i.test(withoutScripts(page)));
  assert.ok(!/@import|url\(/i.test(withoutScripts(page)));
  const policy = /Content-Security-Policy" content="([^"]+)"/.exec(page)?.[1]?.replaceAll("&#39;", "'") ?? "";
  const hash = (text: string): string => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
  const [, ...scripts] = scriptsOf(page);
  const style = /<style>([^]*?)<\/style>/.exec(page)?.[1] ?? "";
  assert.equal(policy, `default-src 'none'; img-src data:; style-src ${hash(style)}; script-src ${scripts.map(hash).join(" ")}`);
});

test("the library's licence goes with it", async () => {
  assert.ok((await htmlReport(reportOf([]))).includes("Copyright (c) 2022 Leon Sorokin"));
});

test("without runs there is a page that says so", async () => {
  const page = await htmlReport(reportOf([]));
  assert.ok(page.includes("Nothing was measured."));
  assert.ok(!page.includes("<figure"));
  assert.deepEqual(new Drawing(page).plots, []);
});

test("plots of the same title are one, with the curves of every run; what is not finite is left out", () => {
  const broken: Plot = { ...memory, lines: [{ name: "daemon", points: [[0, Number.NaN], [1, 2]] }, { name: "gone", points: [[0, Number.POSITIVE_INFINITY]] }] };
  assert.deepEqual(overlay([{ plots: [memory] }, { plots: [delays, broken] }, { plots: [{ ...memory, unit: "GiB" }] }]).map(({ title, unit, lines }) => [title, unit, lines.map(({ name, runs }) => [name, runs.map(({ run, points }) => [run, points.length])])]), [
    ["Memory", "MiB", [["daemon", [[0, 2], [1, 1]]]]],
    ["Delay", "ms", [["latency", [[1, 5]]], ["added", [[1, 2]]]]],
    ["Memory", "GiB", [["daemon", [[2, 2]]]]],
  ]);
});

test("the run whose figures are nearest to the medians is found, each figure by its own range", () => {
  assert.equal(likeMedian([]), 0);
  assert.equal(likeMedian([{ a: 1 }]), 0);
  assert.equal(likeMedian([{ a: 1, b: 1000 }, { a: 3, b: 3000 }, { a: 2, b: 2100 }]), 2);
  assert.equal(likeMedian([{ a: 2 }, { a: 1, b: 1 }, { a: 3, b: 2 }, { a: 2, b: 1.5 }]), 3);
});

/** A plot as the library is told to draw it. */
interface Told {
  readonly options: uPlot.Options;
  readonly data: uPlot.AlignedData;
  readonly place: string;
  gone: boolean;
}

/** Runs the page's own script with a browser that only remembers. */
class Drawing {
  readonly all: Told[] = [];
  readonly #listeners = new Map<string, () => void>();

  constructor(page: string) {
    const [data = "", , drawing = ""] = scriptsOf(page);
    const { all } = this;
    const library = class {
      static join(tables: uPlot.AlignedData[]): uPlot.AlignedData {
        const xs = [...new Set(tables.flatMap(([xs]) => [...xs]))].sort((a, b) => a - b);
        return [xs, ...tables.flatMap(([own, ...ys]) => ys.map((values) => xs.map((x) => values[[...own].indexOf(x)])))];
      }

      readonly #told: Told;

      constructor(options: uPlot.Options, data: uPlot.AlignedData, place: { readonly clientWidth: number; readonly id?: string }) {
        this.#told = { options, data, place: place.id ?? "", gone: false };
        all.push(this.#told);
      }

      setSize(): void {}

      destroy(): void {
        this.#told.gone = true;
      }
    };
    const listen = (what: string) => ({ addEventListener: (_event: string, listener: () => void) => void this.#listeners.set(what, listener) });
    const browser: Browser = {
      document: {
        documentElement: {},
        getElementById: (id) => (page.includes(` id="${id}"`) ? { clientWidth: 1000, id } : null),
        querySelectorAll: () => [...page.matchAll(/name="run" value="(\d+)"/g)].map(([, value = ""]) => ({ value, ...listen(`run ${value}`) })),
      },
      uPlot: library,
      getComputedStyle: () => ({ getPropertyValue: (name) => ` ${name}` }),
      matchMedia: () => listen("scheme"),
      ...listen("resize"),
    };
    vm.runInNewContext(drawing, { window: browser, document: { getElementById: () => ({ textContent: data }) }, JSON });
  }

  /** What is to be seen now. */
  get plots(): readonly Told[] {
    return this.all.filter(({ gone }) => !gone);
  }

  tell(what: string): void {
    this.#listeners.get(what)?.();
  }
}

/** Label and whether it stands out, of each curve. */
function curves({ options }: Told): readonly (readonly [unknown, boolean])[] {
  return Array.from(options.series).slice(1).map(({ label, class: kind }) => [label, kind !== "other"]);
}

test("every plot is drawn with all runs; the one nearest to the medians stands out", async () => {
  const page = await htmlReport(reportOf(runs));
  const drawing = new Drawing(page);
  assert.deepEqual(drawing.plots.map(({ place }) => place), ["plot-0", "plot-1"]);
  const [first, second] = drawing.plots;
  assert.ok(first && second && page.includes("no data"));
  assert.deepEqual(curves(first), [["latency", false], ["added", false], ["latency", true], ["added", true]]);
  assert.deepEqual(curves(second), [["daemon", false], ["daemon", false], ["daemon", true]]);
  assert.deepEqual(Array.from(second.options.axes ?? [], ({ label }) => label), ["seconds", "MiB"]);
  assert.deepEqual([...second.data[0]], [0, 0.5, 1.5]);
});

test("the axis of percentiles opens up towards its end: each nine has as much room, and the maximum a place of its own", async () => {
  const [plot] = new Drawing(await htmlReport(reportOf(runs.slice(0, 1)))).plots;
  assert.deepEqual([...(plot?.data[0] ?? [])].map((x) => Math.round(x * 1000) / 1000), [0, 1, 2, 3, 3.5]);
  assert.deepEqual([...(plot?.data[1] ?? [])], [1, 2, 3, 4, 9]);
  assert.equal(plot?.options.axes?.[0]?.label, "percentile");
});

test("another run can be made to stand out, and another colour scheme draws anew", async () => {
  const drawing = new Drawing(await htmlReport(reportOf(runs)));
  const before = drawing.plots;
  drawing.tell("run 0");
  assert.ok(before.every(({ gone }) => gone));
  const [, memory] = drawing.plots;
  assert.equal(drawing.plots.length, 2);
  assert.ok(memory);
  assert.deepEqual([...(memory.data.at(-1) ?? [])], [undefined, 100, 110]);
  drawing.tell("scheme");
  assert.ok(memory.gone);
  assert.equal(drawing.plots.length, 2);
});

test("where a plot would mean nothing, it is said why", async () => {
  const page = await htmlReport(reportOf([{ figures: { a: 1 }, notes: [], plots: [absentPlot("Delays", "there is <one> event"), memory] }]));
  assert.ok(page.includes("<figcaption>Delays</figcaption><p class=\"faint\">there is &#60;one&#62; event</p>"), withoutScripts(page));
  assert.deepEqual(new Drawing(page).plots.map(({ place }) => place), ["plot-1"]);
});

test("more lines than there are colours can still be told apart, in the plot and in its legend", async () => {
  const many: Plot = { ...memory, lines: Array.from({ length: 14 }, (_, i) => ({ name: `line ${i}`, points: [[0, i]] })) };
  const [plot] = new Drawing(await htmlReport(reportOf([{ figures: {}, notes: [], plots: [many] }]))).plots;
  assert.ok(plot);
  const { series, legend } = plot.options;
  const looks = Array.from(series).slice(1).map(({ stroke, dash }, i) => JSON.stringify([stroke, dash, legendDash(legend?.markers?.dash, i + 1)]));
  assert.equal(new Set(looks).size, 14);
  assert.deepEqual([1, 7, 13].map((i) => legendDash(legend?.markers?.dash, i)), ["solid", "dashed", "dotted"]);
});

/** Border of a line's mark in the legend. */
function legendDash(dash: unknown, series: number): unknown {
  if (typeof dash !== "function") return dash;
  const border: unknown = Reflect.apply(dash, undefined, [undefined, series]);
  return border;
}
