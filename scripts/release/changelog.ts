/** Reads CHANGELOG.md: a section for each version, the newest first, and at the top what is not released yet. */

/** A section. */
export interface Section {
  /** `Unreleased`, or a version. */
  readonly title: string;
  /** Without the heading. */
  readonly text: string;
}

/** All sections, in their order. */
export function sectionsOf(changelog: string): readonly Section[] {
  return changelog.split(/^## /m).slice(1).map((section) => {
    const [, title = "", text = ""] = /^\[?([^\s\]]+)\]?[^\n]*\n?([\s\S]*)$/.exec(section) ?? [];
    return { title, text: text.trim() };
  });
}

/** What a version brings. @throws Error if the changelog has no such section, or nothing in it. */
export function notesOf(changelog: string, version: string): string {
  const section = sectionsOf(changelog).find(({ title }) => title === version);
  if (section === undefined) throw new Error(`CHANGELOG.md has no section "## ${version}": give what stands under "## Unreleased" its version`);
  if (section.text === "") throw new Error(`CHANGELOG.md says nothing under "## ${version}"`);
  return section.text;
}
