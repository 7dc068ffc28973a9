/** HTML in templates: texts are escaped, markup is taken as it is, and what may run on a page is known by its hash. */
import { createHash } from "node:crypto";

/** Markup. Only {@link html} and {@link raw} make it, so that no text gets in as it is. */
export interface Markup {
  readonly markup: string;
}

/** What a template takes. */
export type Part = string | number | Markup | readonly Markup[];

/** Text that is markup already. */
export function raw(markup: string): Markup {
  return { markup };
}

/** A template of markup: texts are escaped, markup is taken as it is. */
export function html(texts: TemplateStringsArray, ...parts: readonly Part[]): Markup {
  return raw(texts.reduce((whole, text, i) => whole + markupOf(parts[i - 1] ?? "") + text));
}

function markupOf(part: Part): string {
  if (typeof part === "string" || typeof part === "number") return String(part).replaceAll(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
  return "markup" in part ? part.markup : part.map(({ markup }) => markup).join("");
}

/** An element of script or style, and its hash for the content policy. */
export function element(name: "script" | "style", text: string): { readonly tag: Markup; readonly hash: string } {
  // In a string, a comment or a regular expression, where alone such a thing can stand, the backslash changes nothing.
  const safe = text.replaceAll(/<\/(?=script|style)/gi, "<\\/");
  return { tag: raw(`<${name}>${safe}</${name}>`), hash: `sha256-${createHash("sha256").update(safe).digest("base64")}` };
}
