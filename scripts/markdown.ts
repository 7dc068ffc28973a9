/** What scripts need that write parts of Markdown pages: text that stays text, and what goes between two marks. */

/** Two lines that tell where a part that is made begins and ends. */
export interface Marks {
  readonly begin: string;
  readonly end: string;
}

/** Puts a part between its marks. @throws Error if the page does not have both, once and in order. */
export function insertBetween(page: string, { begin, end }: Marks, part: string): string {
  const [before, rest, ...more] = page.split(begin);
  const [, after, ...others] = rest?.split(end) ?? [];
  if (before === undefined || after === undefined || more.length + others.length > 0) throw new Error(`the page must have ${begin} and then ${end}, each once`);
  return `${before}${begin}\n\n${part}\n\n${end}${after}`;
}

/** A table. Cells are Markdown; a bar in one is escaped. */
export function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map((cell) => cell.replaceAll("|", String.raw`\|`).replaceAll(/\s+/g, " ")).join(" | ")} |`.replaceAll(/ {2,}/g, " ");
  return [line(head), `|${head.map(() => "---|").join("")}`, ...rows.map(line)].join("\n");
}

/** A text as code; nothing for an empty one. */
export function code(text: string): string {
  return text === "" ? "" : `\`${text}\``;
}
