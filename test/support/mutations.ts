/** Values of JSON spoiled in every place, one at a time: what a hostile or broken peer could send instead. */

/** One way to spoil a value. */
export interface Mutation {
  /** Where, as a JSON pointer, and what stands there instead. */
  readonly name: string;
  /** The spoiled value as JSON text. */
  readonly json: string;
}

/** What is put in place of a part, by name. JSON text, since not all of it could be written by JSON.stringify. */
export const spoilers: ReadonlyMap<string, string> = new Map([
  ["null", "null"], ["true", "true"], ["minus one", "-1"], ["huge number", "1e308"], ["beyond a double", "1e999"], ["fraction", "0.1"], ["empty text", '""'],
  ["prototype name", '"__proto__"'], ["constructor", '"constructor"'], ["empty list", "[]"], ["list of null", "[null]"], ["empty object", "{}"],
  ["prototype member", '{"__proto__":{"x":"y"},"constructor":"z","toString":1,"hasOwnProperty":null}'],
  ["deep list", `${"[".repeat(1000)}${"]".repeat(1000)}`], ["deep object", `${'{"a":'.repeat(1000)}0${"}".repeat(1000)}`],
  ["lone surrogate", '"\\ud800"'], ["null character", '"\\u0000"'], ["line breaks", '"\\r\\n\\u2028"'], ["not base64", '"%%%="'], ["broken JSON", '"{\\"a\\":"'], ["base64 of no message", '"/////w=="'],
]);

/** Marks the place while the rest is written. */
const hole = "\u{F0000}hole\u{F0000}";

/** All ways: each part left out, and replaced by each spoiler. */
export function* mutationsOf(value: unknown, by: ReadonlyMap<string, string> = spoilers): Generator<Mutation> {
  for (const path of pathsOf(value)) {
    const pointer = `/${path.join("/")}`;
    yield { name: `${pointer} left out`, json: JSON.stringify(replaced(value, path, undefined)) };
    const [before = "", after = ""] = JSON.stringify(replaced(value, path, hole)).split(`"${hole}"`);
    for (const [name, text] of by) yield { name: `${pointer}: ${name}`, json: before + text + after };
  }
}

/** The paths of all parts of a value, outer ones first; the value itself is not among them. */
export function* pathsOf(value: unknown, prefix: readonly string[] = []): Generator<readonly string[]> {
  if (typeof value !== "object" || value === null) return;
  for (const [key, part] of Object.entries(value)) {
    yield [...prefix, key];
    yield* pathsOf(part, [...prefix, key]);
  }
}

/** A copy with another part at the path; undefined leaves it out. */
function replaced(value: unknown, [key, ...rest]: readonly string[], by: unknown): unknown {
  if (key === undefined) return by;
  if (Array.isArray(value)) {
    const copy: unknown[] = value.map((part: unknown, i) => (String(i) === key ? replaced(part, rest, by) : part));
    return copy.filter((part) => part !== undefined);
  }
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, part]: [string, unknown]) => [name, name === key ? replaced(part, rest, by) : part]));
}
