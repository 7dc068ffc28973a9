/** What is known of a workspace's status without its pod, which is gone or can not be understood any more. */
import type { StatusCache } from "./cache.ts";
import { buildFrame, decodeFrame, encodeStatus, type Status } from "./frame.ts";
import type { WorkspaceRecord } from "./registry.ts";
import { statusFromFacts } from "./rules.ts";

/** What was published last, or as much of it as is known. */
export function lastStatus({ facts }: WorkspaceRecord, cache: Pick<StatusCache, "peek">): Status {
  const last = cache.peek(facts.id);
  return last ? decodeFrame(last) : statusFromFacts(facts);
}

/** As much as is known, where the frame was evicted; with the version that it was published with. */
export function frameFromFacts({ facts, version }: WorkspaceRecord): Buffer {
  return buildFrame(encodeStatus(statusFromFacts(facts)), version);
}
