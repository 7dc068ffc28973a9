/** resourceVersions of Kubernetes objects: they grow with every write to the store, and have up to 20 digits. */

/**
 * Compares two as the decimal integers they are, without bounds on their size.
 * @returns negative, zero or positive, as a sort wants it; zero also where one is not a number, so that nothing is taken for outdated.
 */
export function compareVersions(a: string, b: string): number {
  if (!isNumber(a) || !isNumber(b)) return 0;
  if (a.length !== b.length) return a.length - b.length;
  return a < b ? -1 : Number(a > b);
}

/** "0" is one too: what is known of an object before the store was set back. */
function isNumber(version: string): boolean {
  return /^(0|[1-9]\d*)$/.test(version);
}
