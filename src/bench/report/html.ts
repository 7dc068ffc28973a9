/** The report as one self-contained page: figures, plots of all runs, notes. It loads nothing: the library that plots is in it. */
import { readFile } from "node:fs/promises";
import { element, html, raw } from "../../domain/markup.ts";
import type { Markup } from "../../domain/markup.ts";
import { draw } from "./draw.ts";
import type { PageData } from "./draw.ts";
import { summarize } from "./figures.ts";
import type { Summary } from "./figures.ts";
import { likeMedian, overlay } from "./overlay.ts";
import type { OverlaidPlot } from "./overlay.ts";
import { pageStyle } from "./page-style.ts";
import type { ReportJson } from "./report.ts";
import { plain } from "./table.ts";

/** The page. Its content policy lets nothing run but what was put there, and nothing be loaded. @throws Error if the plotting library is not installed. */
export async function htmlReport(report: ReportJson): Promise<string> {
  const [library, licence, libraryStyle] = await Promise.all(["uplot/dist/uPlot.iife.min.js", "uplot/LICENSE", "uplot/dist/uPlot.min.css"].map(read));
  const chosen = likeMedian(report.runs.map(({ figures }) => figures));
  const plots = overlay(report.runs);
  const style = element("style", `${libraryStyle ?? ""}${pageStyle}`);
  const scripts = [`/* uPlot\n${licence ?? ""}*/\n${library ?? ""}`, `(${draw.toString()})(window, JSON.parse(document.getElementById("data").textContent));`].map((text) => element("script", text));
  const policy = `default-src 'none'; img-src data:; style-src '${style.hash}'; script-src ${scripts.map(({ hash }) => `'${hash}'`).join(" ")}`;
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>wsmand bench ${report.scenario}, ${dateOf(report.date)}</title>
${style.tag}
</head>
<body>
<h1>${report.scenario}</h1>
<p class="faint">wsmand bench, <time datetime="${report.date}">${dateOf(report.date)}</time>, ${runsText(report.runs.length)}</p>
${about(report)}
${figuresTable(report)}
${plotsOf(plots, report.runs.length, chosen)}
${notes(report.runs)}
<script type="application/json" id="data">${raw(jsonForScript({ plots, chosen }))}</script>
${scripts.map(({ tag }) => tag)}
</body>
</html>
`.markup;
}

/** Data for a script element: whatever its texts hold, it does not end the element. */
export function jsonForScript(data: PageData): string {
  return JSON.stringify(data).replaceAll(/[<>&\u2028\u2029]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

function about({ machine, versions, parameters }: ReportJson): Markup {
  const { cpu, cores, memoryGb, system } = machine;
  return html`<div class="about">
${list("Machine", { CPU: cpu, cores, memory: `${memoryGb} GiB`, system })}
${list("Versions", versions)}
${list("Parameters", parameters)}
</div>`;
}

function list(title: string, values: Readonly<Record<string, unknown>>): Markup {
  const known = Object.entries(values).filter(([, value]) => value !== undefined);
  return html`<section><h2>${title}</h2><dl${known.length > 6 ? html` class="wide"` : []}>${known.map(([name, value]) => html`<dt>${name}</dt><dd>${typeof value === "string" ? value : JSON.stringify(value)}</dd>`)}</dl></section>`;
}

function figuresTable({ runs }: ReportJson): Markup {
  const summary = [...summarize(runs.map(({ figures }) => figures))];
  const known = new Set(summary.map(([name]) => name));
  const left = [...new Map(runs.flatMap(({ leftOut = {} }) => Object.entries(leftOut)))].filter(([name]) => !known.has(name));
  if (summary.length === 0) return html`<h2>Figures</h2><p>Nothing was measured.</p>`;
  const several = runs.length > 1;
  const heads = several ? ["figure", "median", "min", "max", "spread"] : ["figure", "value"];
  return html`<h2>Figures</h2>
<div class="scroll"><table class="figures">
<thead><tr>${heads.map((head) => html`<th scope="col">${head}</th>`)}</tr></thead>
<tbody>
${summary.map(([name, figure]) => html`<tr><td><code>${name}</code></td><td class="main">${plain(figure.median)}</td>${several ? [plain(figure.min), plain(figure.max), spread(figure)].map((text) => html`<td>${text}</td>`) : []}</tr>\n`)}
</tbody>
</table></div>
${left.length > 0 ? html`<p>Left out:</p><ul>${left.map(([name, why]) => html`<li><code>${name}</code>: ${why}</li>`)}</ul>` : []}
${several ? html`<p class="faint">Over ${runs.length} runs. Spread: from the smallest to the largest, as a share of the median.</p>` : []}`;
}

function spread({ median, min, max }: Summary): string {
  if (max === min) return "0 %";
  return median === 0 ? "–" : `${(((max - min) / Math.abs(median)) * 100).toFixed(0)} %`;
}

function plotsOf(plots: readonly OverlaidPlot[], runs: number, chosen: number): Markup {
  if (plots.length === 0) return html``;
  return html`<h2>Plots</h2>
${runs > 1 ? choices(runs, chosen) : []}
<p class="faint">Point at a line for its values, drag to look closer, double-click to go back; a click on a name hides its lines.</p>
<div class="plots">
${plots.map(({ title, kind, lines, remark = "no data" }, i) => html`<figure class="${kind}"><figcaption>${title}</figcaption>${lines.length > 0 ? html`<div class="plot" id="plot-${i}"></div>` : html`<p class="faint">${remark}</p>`}</figure>\n`)}
</div>
<noscript><p>Plots need JavaScript.</p></noscript>`;
}

/** Which run stands out. */
function choices(runs: number, chosen: number): Markup {
  const indices = Array.from({ length: runs }, (_, i) => i);
  return html`<fieldset><legend>Strong lines:</legend>
${indices.map((i) => html`<label><input type="radio" name="run" value="${i}" autocomplete="off"${i === chosen ? html` checked` : []}> run ${i + 1}${i === chosen ? " (nearest to the medians)" : ""}</label>\n`)}
<span class="faint">Thin, pale lines: the other runs.</span></fieldset>`;
}

function notes(runs: ReportJson["runs"]): Markup {
  if (runs.every((run) => run.notes.length === 0)) return html``;
  return html`<h2>Notes</h2>
${runs.map((run, i) => html`${runs.length > 1 ? html`<h3>run ${i + 1}</h3>` : []}<ul>${run.notes.map((note) => html`<li>${note}</li>`)}</ul>\n`)}`;
}

function runsText(runs: number): string {
  return runs === 1 ? "one run" : `${runs} runs`;
}

/** @param date RFC 3339, in UTC. */
function dateOf(date: string): string {
  return date.replace(/^(\d{4}-\d\d-\d\d)T(\d\d:\d\d).*$/, "$1 $2 UTC");
}

function read(file: string): Promise<string> {
  return readFile(new URL(import.meta.resolve(file)), "utf8");
}
