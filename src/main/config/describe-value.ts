/** Words for what stood in the file where something else should have. */

const maxShown = 60;

/** A value for a message, short and on one line: a text in quotes, a number as it is, "a list", "an object". */
export function describeValue(value: unknown): string {
  if (typeof value === "string") return quote(value);
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object" && value !== null) return "an object";
  return String(value);
}

/** A text in JSON's quotes, cut if it is long. */
export function quote(text: string): string {
  const shown = text.length > maxShown ? `${text.slice(0, maxShown)}…` : text;
  return JSON.stringify(shown);
}
