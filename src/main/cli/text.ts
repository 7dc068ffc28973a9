/** Text for a terminal: without what would steer it, and measured in columns. */

/** Controls (C0, DEL, C1), what changes the direction of text, and separators of lines: in a terminal they do things instead of being read. */
const steering = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/gu;

/** A text of a server on one line: line ends and tabs become blanks, all else that steers a terminal the replacement character. */
export function sanitize(text: string): string {
  return text.toWellFormed().replace(/\r?\n|\t/g, " ").replace(steering, "\ufffd");
}

/** As sanitize, but keeps the lines apart. */
export function sanitizeLines(text: string): string[] {
  return text.split(/\r?\n/).map(sanitize);
}

/** JSON that a terminal shows as it is: what would steer it is escaped. */
export function toSafeJson(value: unknown, indent = 0): string {
  const json = JSON.stringify(value, undefined, indent);
  return json.replace(/[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

const segmenter = new Intl.Segmenter("en", { granularity: "grapheme" });
const plain = /^[\x20-\x7e]*$/;
/** East Asian wide and fullwidth characters. */
const wide = /^[\u1100-\u115f\u231a\u231b\u2329\u232a\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe10-\ufe19\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{16fe0}-\u{18aff}\u{1b000}-\u{1b2ff}\u{20000}-\u{3fffd}]/u;
const picture = /^\p{Emoji_Presentation}|^\p{Extended_Pictographic}\ufe0f|^\p{Regional_Indicator}{2}/u;
const nothing = /^[\p{Mn}\p{Me}\p{Cf}]+$/u;

function widthOfGrapheme(grapheme: string): number {
  if (nothing.test(grapheme)) return 0;
  return wide.test(grapheme) || picture.test(grapheme) ? 2 : 1;
}

/** Columns that a sanitized text takes. */
export function widthOf(text: string): number {
  if (plain.test(text)) return text.length;
  let width = 0;
  for (const { segment } of segmenter.segment(text)) width += widthOfGrapheme(segment);
  return width;
}

/** The text in exactly so many columns: filled with blanks, or cut with "…" at its end. */
export function fit(text: string, columns: number): string {
  // Graphemes may be long, but text that takes no columns at all is not shown for ever.
  const bounded = text.length > columns * 16 + 64 ? text.slice(0, columns * 16 + 64) : text;
  const width = widthOf(bounded);
  if (width <= columns && bounded.length === text.length) return bounded + " ".repeat(columns - width);
  if (columns <= 0) return "";
  const { kept, used } = cut(bounded, columns - 1);
  return `${kept}…${" ".repeat(columns - 1 - used)}`;
}

function cut(text: string, columns: number): { kept: string; used: number } {
  let kept = "";
  let used = 0;
  for (const { segment } of segmenter.segment(text)) {
    const width = widthOfGrapheme(segment);
    if (used + width > columns) break;
    kept += segment;
    used += width;
  }
  return { kept, used };
}

/** `12s`, `3m`, `5h10m`, `3d`: as kubectl tells ages. Negative ages are zero. */
export function age(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 120) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return minutes < 10 && seconds % 60 > 0 ? `${minutes}m${seconds % 60}s` : `${minutes}m`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return hours < 10 && minutes % 60 > 0 ? `${hours}h${minutes % 60}m` : `${hours}h`;
  return `${Math.floor(hours / 24)}d`;
}

/** Escape codes, or nothing where colour is not wanted. */
export interface Paint {
  (style: Style, text: string): string;
}
/** Looks of text. */
export type Style = "bold" | "dim" | "red" | "green" | "yellow" | "blue" | "magenta" | "cyan" | "inverse";

const codes: Readonly<Record<Style, number>> = { bold: 1, dim: 2, inverse: 7, red: 31, green: 32, yellow: 33, blue: 34, magenta: 35, cyan: 36 };

/** Paints with escape codes, or leaves text alone. */
export function painter(color: boolean): Paint {
  return color ? (style, text) => `\x1b[${codes[style]}m${text}\x1b[0m` : (_style, text) => text;
}
