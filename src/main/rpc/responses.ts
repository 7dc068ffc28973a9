/** Responses put together from encoded frames: nothing is decoded or encoded again. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { WsmanError } from "../../domain/errors.ts";
import { messageIn, prefixBytes } from "../state/frame.ts";

/** Largest message either way, bytes (spec: api). */
export const maxMessageBytes = 16 * 1024 * 1024;

/** How much is copied before other work gets its turn. */
const bytesPerTurn = 2 * 1024 * 1024;
const framesPerTurn = 4096;

/**
 * The messages in the frames as one; gives way to other work in between.
 * Throws RESOURCE_EXHAUSTED if the message were too large to be sent, CANCELLED if the signal aborts.
 */
export async function concatenate(frames: readonly Buffer[], signal: AbortSignal): Promise<Buffer> {
  let total = 0;
  for (const frame of frames) total += frame.length - prefixBytes;
  if (total > maxMessageBytes) throw tooLarge(frames.length, total);
  const out = Buffer.allocUnsafeSlow(total);
  let offset = 0;
  let turnEnds = bytesPerTurn;
  for (const [i, frame] of frames.entries()) {
    offset += frame.copy(out, offset, prefixBytes);
    if (offset < turnEnds && i % framesPerTurn !== framesPerTurn - 1) continue;
    turnEnds = offset + bytesPerTurn;
    await nextTurn();
    if (signal.aborted) throw new WsmanError("CANCELLED", "the call was cancelled");
  }
  return out;
}

function tooLarge(workspaces: number, bytes: number): WsmanError {
  const mebi = (bytes / 1024 / 1024).toFixed(1);
  return new WsmanError(
    "RESOURCE_EXHAUSTED",
    `the answer would hold ${workspaces} workspaces in ${mebi} MiB, and a message can hold 16 MiB: narrow it with must_match (owner, meta_id, annotations), or call Subscribe with the metadata wsman-initial-state: true`,
    { retryable: false },
  );
}

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
