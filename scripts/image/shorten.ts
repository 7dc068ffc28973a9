/** Takes comments and needless space out of programs: what is left are the same tokens, in the same order. */
import { parse, type Options } from "acorn";

/** Around these no space is needed. */
const closed = /[(){}[\];,:=]/;
/** Parts of names, numbers and texts. */
const word = /[\w$"'`\u0080-\uffff]/;
/** Between one of these and a word no space is needed; between two of them one may be: a + +b. What a number may go on with, and what may begin a pattern or a comment, is none of them. */
const operator = /[!%&*+\-<>?^|~]/;
/** After these a line's end says nothing. */
const open = /[({[;,:]/;
/** What ends a line. */
const lineEnds = /\r\n|[\n\r\u2028\u2029]/g;

/** What stays of what is between two tokens. */
type Gap = (gap: string, before: string, after: string) => string;

/**
 * A shorter program with the same tokens; line ends stay where they could end a statement. What can not be parsed, neither as a module nor as a script, stays as it is.
 * Licences are not lost: their texts are in the image on their own.
 */
export function shortened(text: string): string {
  return attempt(text, "module", gapOf) ?? attempt(text, "script", gapOf) ?? text;
}

/** The same, with every token in the line that it was in: traces of errors name the lines of the build. */
export function withoutComments(text: string): string {
  return attempt(text, "module", gapWithLines) ?? text;
}

function attempt(text: string, sourceType: "module" | "script", rest: Gap): string | undefined {
  const pieces: string[] = [];
  let at = /^#!.*/.exec(text)?.[0].length ?? 0;
  pieces.push(text.slice(0, at));
  const onToken: NonNullable<Options["onToken"]> = (token) => {
    pieces.push(rest(text.slice(at, token.start), text[at - 1] ?? "", text[token.start] ?? ""), text.slice(token.start, token.end));
    at = token.end;
  };
  try {
    parse(text, { ecmaVersion: "latest", sourceType, allowHashBang: true, allowReturnOutsideFunction: true, onToken });
  } catch {
    return undefined;
  }
  return `${pieces.join("").trimEnd()}\n`;
}

function gapOf(gap: string, before: string, after: string): string {
  if (gap === "") return "";
  if (gap.search(lineEnds) >= 0) return open.test(before) ? "" : "\n";
  return closed.test(before) || closed.test(after) || (word.test(before) && operator.test(after)) || (operator.test(before) && word.test(after)) ? "" : " ";
}

function gapWithLines(gap: string, before: string, after: string): string {
  return "\n".repeat(gap.match(lineEnds)?.length ?? 0) || gapOf(gap, before, after);
}
