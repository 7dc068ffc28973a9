/** Kubernetes quantities ("900m", "1.5Gi", "1e3", "12E") as numbers. */

const factors: ReadonlyMap<string, number> = new Map([
  ["n", 1e-9], ["u", 1e-6], ["m", 1e-3], ["", 1], ["k", 1e3], ["M", 1e6], ["G", 1e9], ["T", 1e12], ["P", 1e15], ["E", 1e18],
  ["Ki", 2 ** 10], ["Mi", 2 ** 20], ["Gi", 2 ** 30], ["Ti", 2 ** 40], ["Pi", 2 ** 50], ["Ei", 2 ** 60],
]);
/** Longer texts are no quantities that anyone wrote. */
const maxLength = 64;

/**
 * Parses a quantity as Kubernetes does: a decimal number with either one of the suffixes n u m k M G T P E Ki Mi Gi Ti Pi Ei, or an exponent
 * ("12E" is 12 * 10^18, "12E3" is 12,000).
 * @returns cores, bytes or pieces, as near as a double comes; undefined if the text is no quantity, or too large for a double.
 */
export function parseQuantity(text: string): number | undefined {
  if (text.length > maxLength) return undefined;
  const match = /^([+-]?(?:\d+\.?\d*|\.\d+))(?:([eE][+-]?\d+)|([a-zA-Z]*))$/.exec(text);
  if (!match) return undefined;
  const [, digits = "", exponent = "", suffix = ""] = match;
  const value = Number(digits + exponent) * (factors.get(suffix) ?? Number.NaN);
  return Number.isFinite(value) ? value : undefined;
}
