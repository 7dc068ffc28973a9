/** Reads Markdown as far as checks of documents need it: links, the anchors of headings, code in blocks and in lines. Not a parser of all that Markdown can be, but of what stands here. */

/** A piece of a document, and where it begins. */
interface Placed {
  /** From 1. */
  readonly line: number;
}

/** A link, or an image. */
export interface Link extends Placed {
  readonly target: string;
}

/** A block of code. */
export interface CodeBlock extends Placed {
  /** What stands behind the fence; empty for none, and for blocks that are indented. */
  readonly language: string;
  readonly text: string;
}

/** Code within a line. */
export interface CodeSpan extends Placed {
  readonly text: string;
}

/** A document. */
export interface MarkdownDocument {
  readonly links: readonly Link[];
  /** What a link can name behind `#`. */
  readonly anchors: ReadonlySet<string>;
  readonly blocks: readonly CodeBlock[];
  readonly spans: readonly CodeSpan[];
}

const fence = /^ {0,3}(`{3,}|~{3,})\s*([\w+-]*)/;
const inlineCode = /(?<!`)(`+)(?!`)((?:(?!\n\s*\n)[\s\S])+?)(?<!`)\1(?!`)/g;
const inlineLink = /\]\(\s*<?([^)\s>]+)>?(?:\s+"[^"]*")?\s*\)/g;
const referenceLink = /^ {0,3}\[[^\]]+\]:\s*<?([^\s>]+)>?/gm;
const htmlLink = /<(?:a|img)\b[^>]*?\b(?:href|src)="([^"]*)"/g;
const htmlAnchor = /<[a-z]+\b[^>]*?\b(?:id|name)="([^"]*)"/g;

/** Reads a document. */
export function readMarkdown(text: string): MarkdownDocument {
  const { prose, blocks } = withoutBlocks(text.replaceAll("\r\n", "\n").replaceAll(/<!--[\s\S]*?-->/g, blank));
  const spans: CodeSpan[] = [];
  const plain = prose.replaceAll(inlineCode, (all, _ticks: string, code: string, at: number) => {
    spans.push({ text: code.trim().replaceAll(/\s+/g, " "), line: lineAt(prose, at) });
    return blank(all);
  });
  const links = [inlineLink, referenceLink, htmlLink].flatMap((shape) => [...plain.matchAll(shape)].map((match) => ({ target: match[1] ?? "", line: lineAt(plain, match.index) })));
  return { links, anchors: new Set([...headingAnchors(prose), ...[...plain.matchAll(htmlAnchor)].map((match) => match[1] ?? "")]), blocks, spans };
}

/** As many lines, and nothing on them. */
function blank(text: string): string {
  return text.replaceAll(/[^\n]/g, " ");
}

function lineAt(text: string, index: number): number {
  return text.slice(0, index).split("\n").length;
}

/** Takes the blocks of code out; lines keep their numbers. */
function withoutBlocks(text: string): { readonly prose: string; readonly blocks: readonly CodeBlock[] } {
  const lines = text.split("\n");
  const prose: string[] = [];
  const blocks: CodeBlock[] = [];
  let inList = false;
  for (let i = 0; i < lines.length; ) {
    const line = lines[i] ?? "";
    const end = endOfFence(lines, i) ?? (inList ? undefined : endOfIndented(lines, i));
    if (end === undefined) {
      if (line.trim() !== "") inList = /^\s*(?:[-*+]|\d+\.)\s/.test(line) || (inList && /^\s/.test(line));
      prose.push(line);
      i++;
      continue;
    }
    const [, , language = ""] = fence.exec(line) ?? [];
    const isFenced = fence.test(line);
    const body = isFenced ? lines.slice(i + 1, end - 1) : lines.slice(i, end).map((each) => each.replace(/^ {4}|^\t/, ""));
    blocks.push({ language, text: body.join("\n"), line: isFenced ? i + 2 : i + 1 });
    for (; i < end; i++) prose.push("");
  }
  return { prose: prose.join("\n"), blocks };
}

/** The line behind a fenced block that begins here; the last one ends it where nothing else does. */
function endOfFence(lines: readonly string[], begin: number): number | undefined {
  const marks = fence.exec(lines[begin] ?? "")?.[1];
  if (marks === undefined) return undefined;
  const end = lines.findIndex((line, i) => i > begin && line.trim().startsWith(marks) && line.trim().replaceAll(marks[0] ?? "", "") === "");
  return end < 0 ? lines.length : end + 1;
}

/** The line behind an indented block that begins here, after an empty line. */
function endOfIndented(lines: readonly string[], begin: number): number | undefined {
  const isCode = (line: string | undefined): boolean => line !== undefined && /^(?: {4}|\t)\s*\S/.test(line);
  if (!isCode(lines[begin]) || (begin > 0 && lines[begin - 1]?.trim() !== "")) return undefined;
  let end = begin + 1;
  for (let i = end; i < lines.length && (isCode(lines[i]) || lines[i]?.trim() === ""); i++) if (isCode(lines[i])) end = i + 1;
  return end;
}

/** The anchors that GitHub gives to headings: later ones of the same text are numbered. */
function* headingAnchors(prose: string): Generator<string> {
  const seen = new Map<string, number>();
  for (const [, heading = ""] of prose.matchAll(/^ {0,3}#{1,6}\s+(.*?)\s*#*\s*$/gm)) {
    const slug = slugOf(heading);
    const count = seen.get(slug) ?? 0;
    seen.set(slug, count + 1);
    yield count === 0 ? slug : `${slug}-${count}`;
  }
}

function slugOf(heading: string): string {
  const text = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1").replaceAll(/[`*]/g, "");
  return text.toLowerCase().replaceAll(/[^\p{L}\p{N}\p{M} _-]/gu, "").replaceAll(" ", "-");
}
