/** RFC 3339 times, as Kubernetes and Go write them. */

/** A point in time to the nanosecond: Unix seconds (floored) and the rest. */
export interface Instant {
  readonly seconds: number;
  readonly nanos: number;
}

const hours = "(?:[01]\\d|2[0-3])";
const pattern = new RegExp(`^(\\d{4})-(\\d\\d)-(\\d\\d)T(${hours}:[0-5]\\d:[0-5]\\d)(?:[.,](\\d+))?(?:Z|([+-]${hours}:[0-5]\\d))$`);
/** Far more digits than anyone writes. */
const maxLength = 64;

/** Parses a time as Go's time.Parse(time.RFC3339Nano) does; undefined if the text is not one. Digits beyond nanoseconds are dropped. */
export function parseRfc3339(text: string): Instant | undefined {
  const match = text.length <= maxLength ? pattern.exec(text) : null;
  if (!match) return undefined;
  const [, year = "", month = "", day = "", time = "", fraction = "", offset = ""] = match;
  const days = daysUntil(Number(year), Number(month), Number(day));
  if (days === undefined) return undefined;
  const seconds = days * 86_400 + Number(time.slice(0, 2)) * 3600 + Number(time.slice(3, 5)) * 60 + Number(time.slice(6));
  return { seconds: seconds - offsetSeconds(offset), nanos: nanosOf(fraction) };
}

function nanosOf(fraction: string): number {
  return fraction === "" ? 0 : Number(fraction.slice(0, 9).padEnd(9, "0"));
}

const monthDays = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] as const;

/** Days from 1970 to a date; undefined if there is no such day. (Date takes February 30 for March 1 or 2, and is slow to tell what it took.) */
function daysUntil(year: number, month: number, day: number): number | undefined {
  const leap = month === 2 && year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 1 : 0;
  if (day < 1 || day > (monthDays[month - 1] ?? 0) + leap) return undefined;
  // Date.UTC takes the years 0 to 99 for 1900 to 1999; the calendar repeats after 400 years, or 146,097 days.
  return Date.UTC(year + 400, month - 1, day) / 86_400_000 - 146_097;
}

/** Of `+05:30`; none is UTC. */
function offsetSeconds(offset: string): number {
  if (offset === "") return 0;
  const seconds = Number(offset.slice(1, 3)) * 3600 + Number(offset.slice(4)) * 60;
  return offset.startsWith("-") ? -seconds : seconds;
}

/** Parses a time to Unix milliseconds; undefined if there is none or the text is not one. */
export function parseTimeMs(text: string | undefined): number | undefined {
  const instant = text === undefined ? undefined : parseRfc3339(text);
  return instant && instant.seconds * 1000 + Math.floor(instant.nanos / 1e6);
}

/** Prints an instant as proto3 JSON does: UTC, with no, 3, 6 or 9 digits after the point. */
export function formatRfc3339({ seconds, nanos }: Instant): string {
  const whole = new Date(seconds * 1000).toISOString().replace(/\.\d+Z$/, "");
  if (nanos === 0) return `${whole}Z`;
  const digits = String(nanos).padStart(9, "0").replace(/(?:000){1,2}$/, "");
  return `${whole}.${digits}Z`;
}

/** A time in UTC as Go's time.RFC3339Nano prints it: without trailing zeros in the fraction. Empty if it is no time. */
export function rfc3339Nano(unixMs: number): string {
  const whole = Math.floor(unixMs);
  if (!(Math.abs(whole) <= 8.64e15)) return "";
  const text = new Date(whole).toISOString();
  return text.replace(/\.?0*Z$/, "Z");
}
