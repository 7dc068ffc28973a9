/** All frames of an answer, which the daemon itself reads by their places. */
import assert from "node:assert/strict";
import type { Frames } from "../../src/main/state/frame-list.ts";

/** They, in their order. */
export function allOf(frames: Frames): readonly Buffer[] {
  return Array.from({ length: frames.length }, (_, i) => frames.at(i) ?? assert.fail(`there is no frame at ${i} of ${frames.length}`));
}
