/** The documents of the repository: links lead somewhere, commands would run, names are right, and each page can be found. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { documentProblems, documentsIn } from "../../support/docs/documents.ts";
import { readMarkdown } from "../../support/docs/markdown.ts";
import { documentChecks, repository } from "../../support/docs/world.ts";

test("links lead to files and headings that are there, commands would run, and names of the code are right", () => {
  assert.ok(documentsIn(repository).length > 10);
  assert.deepEqual(documentProblems(repository, documentChecks()), []);
});

test("every page of docs/ stands in its index", () => {
  const { links } = readMarkdown(readFileSync(join(repository, "docs/README.md"), "utf8"));
  const named = new Set(links.map(({ target }) => `docs/${target.split("#")[0]}`));
  const pages = documentsIn(repository).filter((file) => file.startsWith("docs/") && file !== "docs/README.md");
  assert.deepEqual(pages.filter((file) => !named.has(file)), []);
});
