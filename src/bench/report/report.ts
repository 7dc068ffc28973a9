/** What a measurement gives as a whole: medians for machines, all runs beside them. */
import { uselessIn } from "../options.ts";
import type { Asked, Described } from "../options.ts";
import type { Outcome } from "../scenarios/scenario.ts";
import { summarize } from "./figures.ts";
import type { Figures, Summary } from "./figures.ts";
import { machine, versions } from "./machine.ts";
import type { Machine } from "./machine.ts";

/** The content of the file of --json. */
export interface ReportJson {
  readonly scenario: string;
  readonly machine: Machine;
  readonly versions: Readonly<Record<string, string>>;
  /** RFC 3339. */
  readonly date: string;
  readonly parameters: Readonly<Record<string, unknown>>;
  /** Medians over the runs. */
  readonly figures: Figures;
  readonly runs: readonly Outcome[];
}

/** A report, with the spread of its figures. */
export interface Report {
  readonly json: ReportJson;
  readonly summary: ReadonlyMap<string, Summary>;
}

/** Puts the report together. What does nothing in the scenario is no parameter of it. Files and credentials among the options are nobody's business and left out, and so is the address of the metrics, whose query may hold one. */
export async function reportOf({ name, scenario, options }: Asked<Described>, outcomes: readonly Outcome[]): Promise<Report> {
  const summary = summarize(outcomes.map((outcome) => outcome.figures));
  const { json: _json, html: _html, cpuProf: _cpuProf, entry: _entry, tlsCa: _ca, tlsCert: _cert, tlsKey: _key, metrics: _metrics, kubeconfig, ...rest } = options;
  const useless: readonly string[] = uselessIn(scenario);
  const parameters = { ...Object.fromEntries(Object.entries(rest).filter(([key]) => !useless.includes(key))), cluster: kubeconfig === undefined ? "built-in" : "given" };
  const figures = Object.fromEntries([...summary].map(([figure, { median }]) => [figure, median]));
  return { json: { scenario: name, machine: machine(), versions: await versions(), date: new Date().toISOString(), parameters, figures, runs: outcomes }, summary };
}
