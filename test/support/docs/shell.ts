/** Splits lines of a shell into commands and their words, as far as documents use one: quotes, comments, pipes, redirections, variables in front. */

/** A command with its words, and where its input and output go. */
export interface ShellCommand {
  /** `NAME=VALUE` in front. */
  readonly variables: readonly string[];
  readonly words: readonly string[];
  /** Files behind `<`, `>` and `>>`. */
  readonly reads: readonly string[];
  readonly writes: readonly string[];
}

type Token = { readonly word: string } | { readonly operator: string };

const operators = /^(?:\d?>&\d?-?|&>|\d?>>|<<<|<<-?|\d?>|<|\|\||&&|;;|[|&;()])/;
const wordPart = /^(?:\\[\s\S]|"(?:\\[\s\S]|[^"\\])*"|'[^']*'|\$\((?:[^()]|\([^()]*\))*\)|[^\s|&;()<>"'\\])/;

/** The commands in a text, one after the other. What is no command of a shell comes out as words that nobody knows. */
export function shellCommands(text: string): readonly ShellCommand[] {
  const joined = text.replaceAll(/\\\n\s*/g, " ");
  return joined.split("\n").flatMap((line) => commandsOf([...tokens(line.replace(/^\s*\$ /, ""))]));
}

function* tokens(line: string): Generator<Token> {
  let rest = line.trimStart();
  while (rest !== "" && !rest.startsWith("#")) {
    const [operator] = operators.exec(rest) ?? [];
    if (operator !== undefined) {
      yield { operator };
      rest = rest.slice(operator.length).trimStart();
      continue;
    }
    let word = "";
    for (let part = partOf(rest); part !== undefined; part = partOf(rest)) {
      word += unquoted(part);
      rest = rest.slice(part.length);
    }
    yield { word };
    rest = rest.trimStart();
  }
}

/** The next part of a word; a quote that nothing closes is a letter. Undefined where the word ends. */
function partOf(rest: string): string | undefined {
  return wordPart.exec(rest)?.[0] ?? /^["'\\]/.exec(rest)?.[0];
}

function unquoted(part: string): string {
  if (part.length === 1) return part;
  if (part.startsWith("'")) return part.slice(1, -1);
  if (part.startsWith('"')) return part.slice(1, -1).replaceAll(/\\(["\\$`])/g, "$1");
  return part.startsWith("\\") ? part.slice(1) : part;
}

/** A command that is still read. */
interface Draft {
  readonly variables: string[];
  readonly words: string[];
  readonly reads: string[];
  readonly writes: string[];
}

function noWords(): Draft {
  return { variables: [], words: [], reads: [], writes: [] };
}

function commandsOf(tokens: readonly Token[]): readonly ShellCommand[] {
  const commands: ShellCommand[] = [];
  let current = noWords();
  let redirect: "reads" | "writes" | "none" | undefined;
  const finish = (): void => {
    if (current.words.length > 0) commands.push(current);
    current = noWords();
    redirect = undefined;
  };
  for (const token of tokens) {
    if ("operator" in token) {
      const target = redirectionOf(token.operator);
      if (target === undefined) finish();
      else redirect = target === "complete" ? undefined : target;
    } else if (redirect !== undefined) {
      if (redirect !== "none") current[redirect].push(token.word);
      redirect = undefined;
    } else if (current.words.length === 0 && /^[A-Za-z_]\w*=/.test(token.word)) current.variables.push(token.word);
    else current.words.push(token.word);
  }
  finish();
  return commands;
}

/** What the word behind an operator is; `complete` if none follows; undefined if it ends the command. */
function redirectionOf(operator: string): "reads" | "writes" | "none" | "complete" | undefined {
  if (/^\d?>&\d?-?$/.test(operator)) return "complete";
  if (operator === "<") return "reads";
  if (operator.startsWith("<<")) return "none";
  return operator.includes(">") ? "writes" : undefined;
}
