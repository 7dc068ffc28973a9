/** Kubernetes quantities ("1.5Gi", "900m", "1e3"): checked and turned into numbers. */

const suffixes: Readonly<Record<string, number>> = {
  n: 1e-9, u: 1e-6, m: 1e-3, "": 1, k: 1e3, M: 1e6, G: 1e9, T: 1e12, P: 1e15, E: 1e18,
  Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, Ti: 2 ** 40, Pi: 2 ** 50, Ei: 2 ** 60,
};

/** The quantity's value (bytes, cores, …), or undefined if the text is not one. */
export function parseQuantity(text: string): number | undefined {
  const match = /^([+-]?(?:\d+(?:\.\d*)?|\.\d+))(?:([eE][+-]?\d+)|([a-zA-Z]*))$/.exec(text);
  if (!match) return undefined;
  const suffix = match[3] ?? "";
  const factor = Object.hasOwn(suffixes, suffix) ? suffixes[suffix] : undefined;
  return factor === undefined ? undefined : Number(`${match[1] ?? ""}${match[2] ?? ""}`) * factor;
}
