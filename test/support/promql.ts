/** What tests read from PromQL and legends, as far as it goes without a parser. */

/** The expression with blanks in place of texts, label matchers and ranges; places stay the same. */
function masked(expr: string): string {
  const blank = (found: string): string => " ".repeat(found.length);
  const withoutTexts = expr.replaceAll(/"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`/g, blank);
  return withoutTexts.replaceAll(/\{[^}]*\}|\[[^\]]*\]/g, blank);
}

const words: ReadonlySet<string> = new Set(["and", "or", "unless", "bool", "offset", "by", "without", "on", "ignoring", "group_left", "group_right", "inf", "nan"]);

/** Names of the metrics that an expression reads, each once. */
export function metricNames(expr: string): readonly string[] {
  const bare = masked(expr).replaceAll(/\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)/g, " ");
  const names = Array.from(bare.matchAll(/(?<![\w:.$])[a-zA-Z_:][\w:]*(?![\w:]|\s*\()/g), ([name]) => name);
  return [...new Set(names)].filter((name) => !words.has(name.toLowerCase()));
}

/** The expression with blanks in place of what stands in brackets behind `unless`. */
function withoutExceptions(bare: string): string {
  let text = bare;
  for (const match of bare.matchAll(/\bunless\s*(?:\b(?:on|ignoring)\s*\([^)]*\)\s*)?\(/g)) {
    const from = match.index + match[0].length;
    let [to, open] = [from, 1];
    for (; to < bare.length && open > 0; to++) open += bare[to] === "(" ? 1 : bare[to] === ")" ? -1 : 0;
    text = text.slice(0, from) + " ".repeat(to - from) + text.slice(to);
  }
  return text;
}

/** The expression with comparisons that tell 0 or 1 in place of leaving out: it has a value wherever its parts have one. What `unless (…)` takes out stays out. */
export function withoutFilters(expr: string): string {
  const bare = withoutExceptions(masked(expr));
  let [text, from] = ["", 0];
  for (const match of bare.matchAll(/(?:[<>]=|[=!]=|[<>](?!=))(?!\s*bool\b)/g)) {
    const end = match.index + match[0].length;
    text += `${expr.slice(from, end)} bool`;
    from = end;
  }
  return text + expr.slice(from);
}

/** Labels that a panel's legend shows. */
export function legendLabels(legend: string): readonly string[] {
  return Array.from(legend.matchAll(/\{\{\s*(\w+)\s*\}\}/g), ([, name = ""]) => name);
}

/** Labels that an alert's text shows. */
export function alertLabels(text: string): readonly string[] {
  return [...new Set(Array.from(text.matchAll(/\$labels\.(\w+)/g), ([, name = ""]) => name))];
}
