/** Parts of a batch's bytes, as results point to them. */
import type { ResultRange } from "../../domain/messages.ts";

/** A part, for as long as the batch is being worked on. */
export function viewOf(part: ResultRange | undefined, bytes: Uint8Array): Uint8Array | undefined {
  return part && bytes.subarray(part.start, part.start + part.length);
}

/** A part, to be kept. */
export function copyOf(part: ResultRange | undefined, bytes: Uint8Array): Uint8Array | undefined {
  return viewOf(part, bytes)?.slice();
}

/** The status that a result is. */
export function encodedOf({ start, length }: ResultRange, bytes: Uint8Array): Uint8Array {
  return bytes.subarray(start, start + length);
}
