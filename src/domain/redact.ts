/** Text for people outside, without what could open a door: for messages that quote what others said. */

/** What stands in the place of a secret. */
export const redacted = "[redacted]";

/** An address with its parts: scheme, user, the rest, and what comes behind `?` or `#`, where signatures are. */
const address = /\b([a-z][a-z0-9+.-]*:\/\/)(?:[^\s/?#@"'<>]*@)?([^\s?#"'<>]*)([?#][^\s"'<>]*)?/gi;
const bearer = /\b(bearer|basic)\s+[\w.~+/=-]{8,}/gi;
const named = /\b([\w-]*(?:token|password|passwd|secret|signature|credential|api[-_]?key|access[-_]?key)[\w-]*["']?\s*[=:]\s*)(?:"[^"]*"|'[^']*'|[^\s,;]+)/gi;
const controls = /[\p{Cc}\u2028\u2029]+/gu;

/**
 * The text on one line, of at most so many bytes of UTF-8, without users, queries and fragments of URLs, and without values that are called a token, password, secret or key.
 * Best effort: what is not known to be harmless should not come here in the first place.
 */
export function publicText(text: string, maxBytes: number): string {
  const clean = text
    .slice(0, maxBytes * 4)
    .toWellFormed()
    .replace(controls, " ")
    .replace(address, (_all, scheme: string, rest: string, query: string | undefined) => `${scheme}${rest}${query === undefined ? "" : "?…"}`)
    .replace(bearer, "$1 …")
    .replace(named, "$1…")
    .trim();
  return withinBytes(clean, maxBytes);
}

/** The text, cut between characters to at most so many bytes of UTF-8; "…" stands where something was cut off. */
export function withinBytes(text: string, maxBytes: number): string {
  const bytes = new TextEncoder().encode(text);
  if (bytes.length <= maxBytes) return text;
  const kept = new TextDecoder().decode(bytes.subarray(0, maxBytes - 3), { stream: true });
  return `${kept}…`;
}
