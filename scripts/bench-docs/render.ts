/** Renders the figures of docs/benchmarks.md. */
import { plain } from "../../src/bench/report/table.ts";
import { insertBetween } from "../markdown.ts";
import type { Aim, Measurement } from "./measurements.ts";
import { argumentsOf, kubeconfigPlaceholder } from "./measurements.ts";
import type { Entry, Results } from "./results.ts";

const marks = { begin: "<!-- figures: made by npm run bench:docs -->", end: "<!-- end of figures -->" };

/** Figures that must be 0 in every run of every measurement, and what is said of them. */
const faults = ["lost", "reordered", "repeated"];

/** Puts figures between the markers. @throws Error if the page does not have both, once and in order. */
export function insertFigures(page: string, figures: string): string {
  return insertBetween(page, marks, figures);
}

/** The figures: where and when they were measured, and a table with a row for each measurement. */
export function renderFigures(measurements: readonly Measurement[], results: Results): string {
  const entries = measurements.flatMap(({ id }) => results[id] ?? []);
  const newest = entries.filter(({ machine }) => machine !== undefined).toSorted((a, b) => b.date.localeCompare(a.date))[0];
  const rows = measurements.map((measurement) => row(measurement, results[measurement.id], newest));
  return [...(newest ? [heading(newest), ""] : []), "| what | command, after `npm run bench --` | result |", "|---|---|---|", ...rows].join("\n");
}

function heading(entry: Entry): string {
  const { node = "unknown", "grpc-js": grpc = "unknown" } = entry.versions ?? {};
  return text(`${machineOf(entry)}; Node ${node}, grpc-js ${grpc}. ${whenOf(entry)}, unless a row says otherwise.`) + " Medians, and the range over the runs.";
}

function row(measurement: Measurement, entry: Entry | undefined, newest: Entry | undefined): string {
  const command = entry?.command ?? argumentsOf(measurement, measurement.runs, kubeconfigPlaceholder).join(" ");
  return `| \`${measurement.id}\`: ${text(measurement.shows)} | \`${command}\` | ${resultOf(measurement, entry, newest).join("<br>")} |`;
}

function resultOf(measurement: Measurement, entry: Entry | undefined, newest: Entry | undefined): readonly string[] {
  if (!entry) return ["not measured yet"];
  const origin = originOf(entry, newest);
  if (entry.failed !== undefined) return [`**failed**: ${text(entry.failed)}`, ...origin];
  const aims = new Map(measurement.aims.map((aim) => [aim.figure, aim]));
  const names = new Set([...aims.keys(), ...measurement.figures]);
  return [...[...names].map((name) => figureText(name, entry.figures, aims.get(name))), ...faultsText(entry), ...entry.notes.map((note) => `_${text(note)}_`), ...origin];
}

function figureText(name: string, figures: Entry["figures"], aim: Aim | undefined): string {
  const figure = figures[name];
  const value = figure ? `${number(figure.median)}${figure.min === figure.max ? "" : ` (${number(figure.min)} to ${number(figure.max)})`}` : "not measured";
  return `\`${name}\` ${value}${aim ? `, aim ${aimText(aim)}${verdict(aim, figures)}` : ""}`;
}

function aimText(aim: Aim): string {
  if (aim.at === "within") return `within ±\`${aim.noise}\``;
  return `${aim.at === "least" ? "≥ " : aim.value === 0 ? "" : "≤ "}${number(aim.value)}`;
}

/** Nothing where what it takes was not measured. */
function verdict(aim: Aim, figures: Entry["figures"]): string {
  const isMet = met(aim, figures);
  return isMet === undefined ? "" : `: ${isMet ? "met" : "**missed**"}`;
}

function met(aim: Aim, figures: Entry["figures"]): boolean | undefined {
  const median = figures[aim.figure]?.median;
  const bound = aim.at === "within" ? figures[aim.noise]?.median : aim.value;
  if (median === undefined || bound === undefined) return undefined;
  if (aim.at === "least") return median >= bound;
  return (aim.at === "within" ? Math.abs(median) : median) <= bound;
}

/** Of these a single one in a single run is one too many. */
function faultsText({ figures }: Entry): readonly string[] {
  const known = faults.flatMap((name) => (figures[name] ? [{ name, most: figures[name].max }] : []));
  const wrong = known.filter(({ most }) => most > 0);
  if (wrong.length > 0) return wrong.map(({ name, most }) => `**${name} ${number(most)}**, in the worst run`);
  return known.length > 0 ? [`none ${known.map(({ name }) => name).join(", ")}`] : [];
}

/** Where and when, if that differs from what the heading says. */
function originOf(entry: Entry, newest: Entry | undefined): readonly string[] {
  const parts = [
    ...(newest && whenOf(entry) === whenOf(newest) ? [] : [whenOf(entry)]),
    ...(entry.machine === undefined || (newest && machineOf(entry) === machineOf(newest)) ? [] : [machineOf(entry)]),
  ];
  return parts.length > 0 ? [`_${text(parts.join(", on "))}_`] : [];
}

function whenOf({ date, commit }: Entry): string {
  return `${date.slice(0, 10)}, commit ${commit}`;
}

function machineOf({ machine }: Entry): string {
  return machine ? `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGb} GiB, ${machine.system}` : "an unknown machine";
}

/** A figure, with commas in long ones. */
function number(value: number): string {
  const [whole = "", fraction] = plain(value).split(".");
  const grouped = whole.length > 4 ? whole.replaceAll(/\B(?=(?:\d{3})+$)/g, ",") : whole;
  return fraction === undefined ? grouped : `${grouped}.${fraction}`;
}

/** Text that stays text in a cell of a table. */
function text(value: string): string {
  return value.replaceAll(/[\\`*_|[\]]/g, String.raw`\$&`).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(/\s+/g, " ");
}
