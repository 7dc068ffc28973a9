/** What all checks came to, as a table for people and as JSON. */
import { toSafeJson, sanitize, widthOf, type Paint, type Style } from "../text.ts";
import { count, worstOf, type Finding, type Outcome, type Verdict } from "./check.ts";

/** A check that was made, or could not be. */
export interface Result extends Outcome {
  readonly name: string;
  readonly title: string;
  /** It was left out, since one before it found that it can not be made. */
  readonly skipped?: boolean;
}

const styles: Readonly<Record<Verdict | "skipped", Style>> = { ok: "green", note: "cyan", warning: "yellow", problem: "red", skipped: "dim" };

/** How many findings there are of a kind. */
export function countOf(results: readonly Result[], verdict: Finding["verdict"]): number {
  return results.reduce((sum, { findings }) => sum + findings.filter((finding) => finding.verdict === verdict).length, 0);
}

/** The table: a line for each check, and below it one for each of its findings. */
export function renderReport(results: readonly Result[], paint: Paint): readonly string[] {
  const titles = Math.max(...results.map(({ title }) => widthOf(title)));
  const verdicts = Math.max(...Object.keys(styles).map((name) => name.length));
  const line = (title: string, verdict: Verdict | "skipped", text: string): string => `${paint("bold", title.padEnd(titles))}  ${paint(styles[verdict], verdict.padEnd(verdicts))}  ${sanitize(text)}`.trimEnd();
  const lines = results.flatMap((result) => {
    const { title, summary, findings, skipped } = result;
    return [line(title, skipped ? "skipped" : worstOf(findings), summary), ...findings.map(({ verdict, text }) => line("", verdict, text))];
  });
  return [...lines, "", conclusion(results, paint)];
}

function conclusion(results: readonly Result[], paint: Paint): string {
  const [problems, warnings] = [countOf(results, "problem"), countOf(results, "warning")];
  const left = results.some(({ skipped }) => skipped) ? "; some checks were skipped" : "";
  const words = `${problems === 0 ? "no problems" : count(problems, "problem")}, ${count(warnings, "warning")}${left}`;
  return paint(problems > 0 ? "red" : warnings > 0 ? "yellow" : "green", words);
}

/** The same for machines. */
export function reportJson(results: readonly Result[]): string {
  const checks = results.map(({ name, summary, findings, skipped = false, data }) => ({ name, verdict: skipped ? "skipped" : worstOf(findings), summary, findings, ...(data && { data }) }));
  return toSafeJson({ ok: countOf(results, "problem") === 0, problems: countOf(results, "problem"), warnings: countOf(results, "warning"), checks }, 2);
}
