/** GetWorkspaces: all workspaces that match, from memory (spec: api). */
import { WsmanError } from "../../../domain/errors.ts";
import type { WorkspaceReader } from "../../state/reader.ts";
import type { UnaryHandler } from "../calls.ts";
import { decodeGetWorkspaces } from "../requests.ts";
import { concatenate } from "../responses.ts";

/** Answers with the matching workspaces' frames: each is one element of the response. */
export function getWorkspaces(reader: WorkspaceReader): UnaryHandler {
  return async (request, signal) => {
    const filter = decodeGetWorkspaces(request);
    requireSynced(reader);
    return concatenate(await reader.collect(filter, signal), signal);
  };
}

/** Throws UNAVAILABLE until the first complete list was applied: an empty answer would mean that every workspace stopped. */
export function requireSynced(reader: WorkspaceReader): void {
  if (!reader.synced) throw new WsmanError("UNAVAILABLE", "not synchronized yet");
}
