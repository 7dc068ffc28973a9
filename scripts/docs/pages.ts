/** The parts of pages that are made from the code, and where they stand. */
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { insertBetween } from "../markdown.ts";
import { renderConfiguration } from "./configuration.ts";
import { renderMetrics } from "./metrics.ts";

const root = resolve(import.meta.dirname, "../..");
const marks = { begin: "<!-- reference: made by npm run docs -->", end: "<!-- end of the reference -->" };

const pages: ReadonlyMap<string, () => string> = new Map([["docs/configuration.md", () => renderConfiguration()], ["docs/metrics.md", () => renderMetrics()]]);

/** A page as it is, and as it should be. */
export interface Page {
  /** Within the repository. */
  readonly path: string;
  readonly file: string;
  readonly found: string;
  readonly wanted: string;
}

/** Makes them. @throws Error if a page is not there, or does not have the marks. */
export function madePages(): readonly Page[] {
  return [...pages].map(([path, render]) => {
    const file = join(root, path);
    const found = readFileSync(file, "utf8");
    return { path, file, found, wanted: insertBetween(found, marks, render()) };
  });
}
