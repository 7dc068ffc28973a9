/** The report as one self-contained page. */
import type { ReportJson } from "./report.ts";

/** The page. */
export function htmlReport(report: ReportJson): Promise<string> {
  return Promise.resolve(`<!doctype html><title>${report.scenario}</title>`);
}
