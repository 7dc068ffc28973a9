/** What measurements gave: docs/benchmarks.json, and how reports of the load tool become entries in it. */
import { z } from "zod";
import { summarize } from "../../src/bench/report/figures.ts";

const machineSchema = z.object({ cpu: z.string(), cores: z.number(), memoryGb: z.number(), system: z.string() });
const summarySchema = z.object({ median: z.number(), min: z.number(), max: z.number() });

const entrySchema = z.object({
  /** What stood behind `wsmand bench`. */
  command: z.string(),
  /** RFC 3339. */
  date: z.string(),
  /** Short hash; " with changes" where the sources were not as in the commit. */
  commit: z.string(),
  /** Why there are no figures. */
  failed: z.string().optional(),
  machine: machineSchema.optional(),
  versions: z.record(z.string(), z.string()).optional(),
  runs: z.number(),
  figures: z.record(z.string(), summarySchema),
  /** What limited the runs where that was not the daemon. */
  notes: z.array(z.string()),
});

/** What a measurement gave, or why it gave nothing. */
export type Entry = z.infer<typeof entrySchema>;

/** Entries by the measurements' ids. */
export type Results = Readonly<Record<string, Entry>>;

const resultsSchema = z.record(z.string(), entrySchema);

/** Of what `wsmand bench --json` writes, what is used here. */
export const reportSchema = z.object({
  date: z.string(),
  machine: machineSchema,
  versions: z.record(z.string(), z.string()),
  runs: z.array(z.object({ figures: z.record(z.string(), z.number()), notes: z.array(z.string()) })).min(1, "no run was completed"),
});

/** See {@link reportSchema}. */
export type Report = z.infer<typeof reportSchema>;

/** Digits that are kept: more only make noise in comparisons of the file. */
const digits = 6;
/** Characters of an error that are kept. */
const maxReason = 300;

/** Reads docs/benchmarks.json; nothing if it is not there. @throws Error for content that it can not have. */
export function parseResults(text: string | undefined): Results {
  if (text === undefined) return {};
  const json: unknown = JSON.parse(text);
  return resultsSchema.parse(json);
}

/** The file's text: entries in the order of `ids`, then those that are not among them. */
export function formatResults(results: Results, ids: readonly string[]): string {
  const known = ids.flatMap((id) => (results[id] ? [[id, results[id]] as const] : []));
  const others = Object.entries(results).filter(([id]) => !ids.includes(id));
  return `${JSON.stringify(Object.fromEntries([...known, ...others]), undefined, 2)}\n`;
}

/** @param changed whether the sources differ from the commit. */
export function entryOf(command: string, report: Report, changed: boolean): Entry {
  const figures = [...summarize(report.runs.map(({ figures }) => figures))].map(([name, { median, min, max }]) => [name, { median: rounded(median), min: rounded(min), max: rounded(max) }] as const);
  return {
    command, date: report.date, commit: commitText(report.versions["commit"] ?? "unknown", changed), machine: report.machine, versions: report.versions, runs: report.runs.length,
    figures: Object.fromEntries(figures), notes: limitsOf(report.runs.map(({ notes }) => notes)),
  };
}

/** The entry of a measurement that gave nothing: what it gave earlier does not stand for this commit. */
export function failure(command: string, reason: string, at: { readonly date: string; readonly commit: string; readonly changed: boolean }): Entry {
  const text = reason.replaceAll(/\s+/g, " ").trim();
  return { command, date: at.date, commit: commitText(at.commit, at.changed), failed: text.length > maxReason ? `${text.slice(0, maxReason)}…` : text, runs: 0, figures: {}, notes: [] };
}

/** What the load tool says where not the daemon was the limit (src/bench/report/limits.ts, fanout.ts); scenarios may put words before it. */
const limit = /\bthe (?:load side was the limit|load side was late|machine was the limit|daemon was not at its limit)/;

/** Which limits there were, and in how many of the runs. */
export function limitsOf(notesOfRuns: readonly (readonly string[])[]): string[] {
  const counts = new Map<string, number>();
  for (const notes of notesOfRuns) {
    for (const text of new Set(notes.flatMap((note) => limit.exec(note)?.[0] ?? []))) counts.set(text, (counts.get(text) ?? 0) + 1);
  }
  return [...counts].map(([text, count]) => (notesOfRuns.length === 1 ? text : `${text} in ${count} of ${notesOfRuns.length} runs`));
}

function commitText(commit: string, changed: boolean): string {
  return changed ? `${commit} with changes` : commit;
}

function rounded(value: number): number {
  return Number(value.toPrecision(digits));
}
