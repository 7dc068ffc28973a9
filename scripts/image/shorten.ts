/** Takes comments and needless space out of programs of libraries: what is left are the same tokens, in the same order. */
import { parse, type Options } from "acorn";

/** Around these no space is needed. */
const closed = /[(){}[\];,:=]/;
/** After these a line's end says nothing. */
const open = /[({[;,:]/;

/**
 * A shorter program with the same tokens; line ends stay where they could end a statement. What can not be parsed, neither as a module nor as a script, stays as it is.
 * Licences are not lost: their texts are in the image on their own.
 */
export function shortened(text: string): string {
  return attempt(text, "module") ?? attempt(text, "script") ?? text;
}

function attempt(text: string, sourceType: "module" | "script"): string | undefined {
  const pieces: string[] = [];
  let at = /^#!.*/.exec(text)?.[0].length ?? 0;
  pieces.push(text.slice(0, at));
  const onToken: NonNullable<Options["onToken"]> = (token) => {
    pieces.push(gapOf(text.slice(at, token.start), text[at - 1] ?? "", text[token.start] ?? ""), text.slice(token.start, token.end));
    at = token.end;
  };
  try {
    parse(text, { ecmaVersion: "latest", sourceType, allowHashBang: true, allowReturnOutsideFunction: true, onToken });
  } catch {
    return undefined;
  }
  return `${pieces.join("")}\n`;
}

/** What stays of what is between two tokens. */
function gapOf(gap: string, before: string, after: string): string {
  if (gap === "") return "";
  if (/[\n\r\u2028\u2029]/.test(gap)) return open.test(before) ? "" : "\n";
  return closed.test(before) || closed.test(after) ? "" : " ";
}
