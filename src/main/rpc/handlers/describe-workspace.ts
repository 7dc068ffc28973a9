/** DescribeWorkspace: one workspace, live or lately stopped, from memory (spec: api). */
import { workspaceNotFound } from "../../../domain/errors.ts";
import type { Described, WorkspaceReader } from "../../state/reader.ts";
import type { UnaryHandler } from "../calls.ts";
import { decodeDescribeWorkspace } from "../requests.ts";
import { describeResponse } from "../responses.ts";
import { requireSynced } from "./get-workspaces.ts";

/** Answers with the workspace's status and last activity. */
export function describeWorkspace(reader: WorkspaceReader): UnaryHandler {
  return (request, call) => {
    const id = decodeDescribeWorkspace(request);
    requireSynced(reader);
    const found = reader.describe(id, call);
    return found instanceof Promise ? found.then((late) => responseOf(id, late)) : responseOf(id, found);
  };
}

function responseOf(id: string, found: Described | undefined): Buffer {
  if (!found) throw workspaceNotFound(id);
  return describeResponse(found.frame, found.lastActivity);
}
