/** Checks documents: each link leads somewhere, each command would run, each name of the code is one. */
import { existsSync, globSync, readFileSync, statSync } from "node:fs";
import { dirname, extname, join, relative } from "node:path";
import type { CommandChecker } from "./commands.ts";
import { readMarkdown, type MarkdownDocument } from "./markdown.ts";
import { configurationProblems, metricProblems, variableProblems, type Names } from "./names.ts";

/** What documents are checked with. */
export interface DocumentChecks {
  readonly commands: CommandChecker;
  readonly names: Names;
}

/** Languages of blocks that hold what is to be typed; an indented block may, too. */
const shells: ReadonlySet<string> = new Set(["", "sh", "bash", "shell", "console"]);

/** All Markdown files of a folder, but for what is installed, built or made. */
export function documentsIn(root: string): readonly string[] {
  return globSync("**/*.md", { cwd: root, exclude: (path) => /(?:^|\/)(?:node_modules|dist|gen|coverage|\.git)(?:\/|$)/.test(path) }).toSorted();
}

/** What is wrong with the documents of a folder: a line each, with file and line. */
export function documentProblems(root: string, checks: DocumentChecks, files: readonly string[] = documentsIn(root)): readonly string[] {
  const known = new Map<string, MarkdownDocument>();
  const read = (file: string): MarkdownDocument => {
    const document = known.get(file) ?? readMarkdown(readFileSync(join(root, file), "utf8"));
    known.set(file, document);
    return document;
  };
  return files.flatMap((file) => {
    const { links, blocks, spans } = read(file);
    const at = (line: number) => (problem: string) => `${file}:${line}: ${problem}`;
    return [
      ...links.flatMap(({ target, line }) => linkProblems(root, file, target, read).map(at(line))),
      ...blocks.flatMap(({ language, text, line }) => blockProblems(language, text, checks).map(at(line))),
      ...spans.flatMap(({ text, line }) => spanProblems(text, checks).map(at(line))),
    ];
  });
}

function linkProblems(root: string, file: string, target: string, read: (file: string) => MarkdownDocument): readonly string[] {
  // Pages of others are not asked for: that would be a check of the network.
  if (/^[a-z][a-z0-9+.-]*:/i.test(target)) return URL.canParse(target) ? [] : [`${target} is no URL`];
  const [path = "", anchor] = target.split("#");
  const found = path === "" ? file : relative(root, join(root, dirname(file), decodeURIComponent(path)));
  if (path.startsWith("/") || found.startsWith("..")) return [`${target} leads out of the repository`];
  if (!existsSync(join(root, found))) return [`${target}: there is no ${found}`];
  if (anchor === undefined || extname(found) !== ".md" || statSync(join(root, found)).isDirectory()) return [];
  return read(found).anchors.has(decodeURIComponent(anchor)) ? [] : [`${target}: ${found} has no heading for #${anchor}`];
}

function blockProblems(language: string, text: string, { commands, names }: DocumentChecks): readonly string[] {
  return [...(shells.has(language) ? commands.problems(text, "block") : []), ...metricProblems(text, names), ...variableProblems(text, names)];
}

function spanProblems(text: string, { commands, names }: DocumentChecks): readonly string[] {
  // A table's bar.
  const code = text.replaceAll("\\|", "|");
  return [...commands.problems(code, "sentence"), ...metricProblems(code, names), ...variableProblems(code, names), ...configurationProblems(code, names)];
}
