/** Responses put together from encoded frames: nothing is decoded or encoded again. */
import { rfc3339Nano } from "../../domain/rfc3339.ts";
import { messageIn } from "../state/frame.ts";

/** A response without members. */
export const emptyResponse = Buffer.alloc(0);

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
