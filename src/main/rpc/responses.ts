/** Responses put together from encoded frames: nothing is decoded or encoded again. */
import { messageIn } from "../state/frame.ts";

/** Largest message either way, bytes (spec: api). */
export const maxMessageBytes = 16 * 1024 * 1024;

/** Tag of DescribeWorkspaceResponse.lastActivity: field 2, length-delimited. */
const lastActivityTag = 0x12;

/**
 * A DescribeWorkspaceResponse: the message in the frame, which is its field 1, and the last activity.
 * @param lastActivity Unix milliseconds; undefined if there was none.
 */
export function describeResponse(frame: Buffer, lastActivity: number | undefined): Buffer {
  const text = lastActivity === undefined ? "" : rfc3339Nano(lastActivity);
  if (text === "") return messageIn(frame);
  return Buffer.concat([messageIn(frame), Buffer.from([lastActivityTag, text.length]), Buffer.from(text, "latin1")]);
}

/** A time in UTC as Go's time.RFC3339Nano prints it: without trailing zeros in the fraction. Empty if it is no time. */
export function rfc3339Nano(unixMs: number): string {
  const whole = Math.floor(unixMs);
  if (!(Math.abs(whole) <= 8.64e15)) return "";
  const text = new Date(whole).toISOString();
  return text.replace(/\.?0*Z$/, "Z");
}
