/** Numbers as people read them at a glance. */

/** Seconds: "0.25 s", "12 s", "3 min 20 s", "5 h 10 min", "3 d 4 h". */
export function duration(seconds: number): string {
  if (seconds < 10) return `${round(seconds, seconds < 1 ? 2 : 1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return two(whole, 60, "min", 1, "s");
  return whole < 86_400 ? two(whole, 3600, "h", 60, "min") : two(whole, 86_400, "d", 3600, "h");
}

/** How long ago that was, seconds: "just now", "12 s ago". */
export function ago(seconds: number): string {
  return seconds < 1 ? "just now" : `${duration(seconds)} ago`;
}

function two(seconds: number, large: number, largeName: string, small: number, smallName: string): string {
  const rest = Math.floor((seconds % large) / small);
  return `${Math.floor(seconds / large)} ${largeName}${rest === 0 ? "" : ` ${rest} ${smallName}`}`;
}

/** "0.4 ms", "12 ms". */
export function milliseconds(ms: number): string {
  return `${round(ms, ms < 10 ? 1 : 0)} ms`;
}

/** "130 MiB". */
export function bytes(count: number): string {
  if (count < 1024 * 1024) return `${round(count / 1024, 0)} KiB`;
  const mebibytes = count / 1024 / 1024;
  return mebibytes < 1024 ? `${round(mebibytes, mebibytes < 10 ? 1 : 0)} MiB` : `${round(mebibytes / 1024, 1)} GiB`;
}

/** @param share 0 to 1, or more. */
export function percent(share: number): string {
  return `${round(share * 100, share < 0.1 ? 1 : 0)} %`;
}

/** "12,345". */
export function plainCount(count: number): string {
  return count.toLocaleString("en-US");
}

function round(value: number, digits: number): string {
  return String(Number(value.toFixed(digits)));
}
